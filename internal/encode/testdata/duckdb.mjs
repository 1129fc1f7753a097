// Reads Parquet files with DuckDB and prints what it found, a line of JSON for
// each file: the types, the row groups' codecs, and the rows as text.
//
//   node duckdb.mjs <@duckdb/node-api> <file>...
const [api, ...files] = process.argv.slice(2);
const { DuckDBInstance } = await import(api);
const connection = await (await DuckDBInstance.create(":memory:")).connect();

async function query(sql, file) {
  const result = await connection.runAndReadAll(sql, { file });
  return result.getRowsJson();
}

for (const file of files) {
  const types = await query("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet($file))", file);
  const columns = types.map(([name, type]) =>
    type.startsWith("TIMESTAMP") ? `epoch_us(${name})::VARCHAR` : `${name}::VARCHAR`,
  );
  console.log(JSON.stringify({
    types,
    groups: await query(
      "SELECT DISTINCT row_group_id::INTEGER, row_group_num_rows::INTEGER, compression FROM parquet_metadata($file) ORDER BY ALL",
      file,
    ),
    rows: await query(`SELECT ${columns.join(", ")} FROM read_parquet($file)`, file),
    // Answered from the bounds that the file says it has, so wrong ones show.
    found: await query(
      "SELECT count(*)::INTEGER FROM read_parquet($file) WHERE seq >= 1 AND action >= '' AND occurred_at >= '1970-01-01 00:00:00+00'",
      file,
    ),
  }));
}
