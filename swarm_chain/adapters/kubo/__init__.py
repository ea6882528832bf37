"""An IPFS node's RPC API (Kubo's; js-ipfs speaks it too), asked over HTTP: each part is used by `kubo_store`."""
