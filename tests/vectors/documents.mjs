// Writes documents.json: documents and values as @ipld/dag-cbor encodes them, for a Python test to compare with.
//
//   npm install @ipld/dag-cbor@10 multiformats@14 && node documents.mjs > documents.json

import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'

const RAW = 0x55
const DAG_PB = 0x70

const filled = (byte, length) => new Uint8Array(length).fill(byte)
const link = async (codec, text) => CID.createV1(codec, await sha256.digest(new TextEncoder().encode(text)))
const named = async (value) => CID.createV1(dagCbor.code, await sha256.digest(dagCbor.encode(value)))

const node = (byte) => filled(byte, 20)
const contract = filled(0xc0, 20)
const weights = await link(DAG_PB, 'weights')
const merged = await link(DAG_PB, 'merged')

const task = {
  type: 'swarm-chain/task/1',
  name: 'digits',
  source: { name: 'digits', version: '1' },
  model: filled(0x11, 32),
  // JavaScript writes whole numbers as integers: every float here has a fraction.
  training: { learning_rate: 0.05, epochs: 5, optimiser: 'sgd', nesterov: false, momentum: -0.9, hidden: 128 },
  merge: {
    rule: 'weighted_mean',
    parameters: {},
    source: null,
    max_samples: 18446744073709551615n,
    max_share_bps: 10000
  },
  update: { encoding: 'safetensors', max_bytes: 4194304 },
  importer: 'unixfs-v1-2025'
}

const linkedTask = {
  ...task,
  name: ' ~',
  // U+1FAE8 came with Unicode 15: a program whose tables are older knows nothing of it.
  training: { name: 'Größen 数字 \u{1FAE8}' },
  source: await link(RAW, 'source'),
  merge: {
    rule: 'trimmed_mean',
    parameters: { f: 1 },
    source: await link(RAW, 'rule'),
    max_samples: 1,
    max_share_bps: 3333
  }
}

const genesis = {
  type: 'swarm-chain/result/1',
  chain: null,
  contract: null,
  round: 0,
  task: await named(task),
  base: null,
  weights,
  bytes: 1048577,
  state: null,
  included: [],
  excluded: [],
  rule: { name: 'weighted_mean', parameters: {} }
}

const update = {
  type: 'swarm-chain/update/1',
  chain: 31337,
  contract,
  round: 7,
  node: node(0x0a),
  base: await named(genesis),
  weights: await link(RAW, 'small weights'),
  bytes: 1000,
  samples: 60,
  base_metrics: { accuracy: 0.5, loss: 1.25 },
  local_metrics: { accuracy: 0.875, loss: 1e-300 }
}

const result = {
  ...genesis,
  chain: 9007199254740993n,
  contract,
  round: 4294967295,
  base: await named(genesis),
  weights: merged,
  bytes: 2097152,
  state: await link(RAW, 'state'),
  included: [
    { node: node(0x0a), update: await named(update), weight: 60 },
    { node: node(0xff), update: await link(dagCbor.code, 'x'), weight: 18446744073709551615n }
  ],
  excluded: [
    { node: node(0x00), update: await link(dagCbor.code, 'y'), reason: 'wrong-samples' },
    { node: node(0x0b), update: await link(dagCbor.code, 'z'), reason: 'unavailable' }
  ],
  rule: { name: 'trimmed_mean', parameters: { f: 1 } }
}

// Names are printable ASCII, whatever is printable besides.
const refused = {
  metricOfNewUnicode: { ...update, local_metrics: { '\u{1FAE8}': 0.5 } },
  metricOfOldUnicode: { ...update, base_metrics: { präzision: 0.5 } },
  taskNameBeyondAscii: { ...task, name: 'Größen' },
  keyBeyondAscii: { ...task, training: { größe: 1 } },
  textThatTurnsTheLine: { ...task, training: { optimiser: 'sgd\u202e' } }
}

const integers = [0, 23, 24, 255, 256, 65535, 65536, 4294967295, 4294967296n, 9007199254740991n, 18446744073709551615n]

const values = {
  integers: integers.flatMap((n) => [n, -1n - BigInt(n)]),
  floats: [0.5, -1.5, 1e-300, 1.1, 1.7976931348623157e-10, 5e-324],
  keys: { b: 1, a: 2, aa: 3, '': 4, é: 5, z: 6, ab: 7 },
  texts: ['', 'ü', '水', '\u{10151}', '"\\'],
  bytes: [filled(1, 0), filled(2, 23), filled(3, 24), filled(4, 255), filled(5, 256)],
  simple: [true, false, null],
  nested: { list: [[[[]]], {}], map: { map: { map: {} } } }
}

const hex = (bytes) => Buffer.from(bytes).toString('hex')
const documents = { task, linkedTask, update, genesis, result }
const answers = { made_with: '@ipld/dag-cbor', documents: {}, refused: {}, values: {} }
for (const [name, document] of Object.entries(documents)) {
  answers.documents[name] = { cid: String(await named(document)), hex: hex(dagCbor.encode(document)) }
}
for (const [name, document] of Object.entries(refused)) {
  answers.refused[name] = hex(dagCbor.encode(document))
}
for (const [name, value] of Object.entries(values)) {
  answers.values[name] = hex(dagCbor.encode(value))
}
console.log(JSON.stringify(answers, null, 1))
