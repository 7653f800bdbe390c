namespace Sluice.Storage.Records;

/// <summary>Walks the records of one sealed, uncompressed batch in memory.</summary>
public ref struct RecordBatchReader
{
    private readonly ReadOnlySpan<byte> _batch;
    private readonly RecordContext _context;
    private int _position = RecordBatch.HeaderBytes;
    private int _left;

    public RecordBatchReader(ReadOnlySpan<byte> batch)
    {
        _batch = batch;
        _context = new RecordContext(batch);
        _left = RecordBatch.RecordCount(batch);
    }

    /// <summary>All of the batch's bytes were read.</summary>
    public readonly bool IsAtEnd => _position == _batch.Length;

    /// <summary>False at the end, or where the bytes are no record.</summary>
    public bool TryRead(out RecordView record)
    {
        record = default;
        if (_left == 0)
        {
            return false;
        }

        _left--;
        _position = RecordParser.Parse(_batch, _position, _context, out record);
        return _position > 0;
    }
}
