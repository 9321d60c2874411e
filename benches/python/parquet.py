"""Makes a Parquet file of delimited text, on one core, with the types that are given.

usage: parquet.py duckdb|pyarrow TEXT TYPES.json PARQUET
"""

import json
import pathlib
import sys


def by_duckdb(text: str, types: dict, parquet: str) -> None:
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    columns = ", ".join(f"{quoted(name)}: {quoted(of_type)}" for name, of_type in types.items())
    connection.execute(
        f"COPY (FROM read_csv({quoted(text)}, auto_detect = false, header = true, delim = ',', quote = '\"', "
        f"escape = '\"', columns = {{{columns}}})) TO {quoted(parquet)} "
        "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    )


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def by_pyarrow(text: str, types: dict, parquet: str) -> None:
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.set_cpu_count(1)
    convert = pyarrow.csv.ConvertOptions(column_types={name: arrow_type(it) for name, it in types.items()})
    reading = pyarrow.csv.ReadOptions(use_threads=False, block_size=8 << 20)
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    with pyarrow.csv.open_csv(text, reading, parsing, convert) as reader:
        writer = pyarrow.parquet.ParquetWriter(
            parquet, reader.schema, compression="zstd", compression_level=1, write_page_index=True
        )
        with writer:
            for batch in reader:
                writer.write_batch(batch)


def arrow_type(of_type: str):
    import pyarrow

    if of_type.startswith("DECIMAL"):
        return pyarrow.decimal128(*map(int, of_type[8:-1].split(",")))
    return {
        "VARCHAR": pyarrow.string(),
        "BIGINT": pyarrow.int64(),
        "BOOLEAN": pyarrow.bool_(),
        "DATE": pyarrow.date32(),
        "TIMESTAMP": pyarrow.timestamp("us"),
        "TIMESTAMP WITH TIME ZONE": pyarrow.timestamp("us", "UTC"),
    }[of_type]


if __name__ == "__main__":
    way, text, types, parquet = sys.argv[1:]
    types = json.loads(pathlib.Path(types).read_text())
    (by_duckdb if way == "duckdb" else by_pyarrow)(text, types, parquet)
