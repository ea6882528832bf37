"""Answers an SMT-LIB file by Bitwuzla, as a solver's program does: PyPI has Bitwuzla as a library alone.

Run by Halmos, in the environment of `tools/gate/requirements.txt`.
"""

from __future__ import annotations

import sys

import bitwuzla


def main() -> None:
    """Prints an answer for each of the file's questions; that there is no model of what cannot be is none."""
    options = bitwuzla.Options()
    options.set(bitwuzla.Option.PRODUCE_MODELS, True)
    parser = bitwuzla.Parser(bitwuzla.TermManager(), options)
    try:
        parser.parse(sys.argv[1])
    except bitwuzla.BitwuzlaException as error:
        print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
