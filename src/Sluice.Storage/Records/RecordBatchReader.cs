namespace Sluice.Storage.Records;

/// <summary>Walks the records of one sealed batch in memory.</summary>
public ref struct RecordBatchReader
{
    private readonly ReadOnlySpan<byte> _records;
    private readonly RecordContext _context;
    private int _position;
    private int _left;

    /// <param name="batch">A whole batch that is not compressed.</param>
    public RecordBatchReader(ReadOnlySpan<byte> batch)
        : this(batch, batch[RecordBatch.HeaderBytes..])
    {
    }

    /// <param name="batch">A batch, of which only the header is looked at.</param>
    /// <param name="records">Its records, decompressed.</param>
    public RecordBatchReader(ReadOnlySpan<byte> batch, ReadOnlySpan<byte> records)
    {
        _records = records;
        _context = new RecordContext(batch);
        _left = RecordBatch.RecordCount(batch);
    }

    /// <summary>All of the batch's bytes were read.</summary>
    public readonly bool IsAtEnd => _position == _records.Length;

    /// <summary>False at the end, or where the bytes are no record.</summary>
    public bool TryRead(out RecordView record)
    {
        record = default;
        if (_left == 0)
        {
            return false;
        }

        _left--;
        _position = RecordParser.Parse(_records, _position, _context, out record);
        return _position > 0;
    }
}
