using Sluice.Base.Buffers;
using Sluice.Broker.Messages;
using Sluice.Broker.Queues;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Topics;

/// <summary>
/// Writes what waits in a lane of a queue as record batches that log clients can read. A Kafka client's record comes out as it went in; other messages as they would lie
/// in a topic. Offsets are those in the lane's log; a batch ends where one is missing.
/// </summary>
internal sealed class QueueReader(CompetingQueue queue, Lane lane)
{
    /// <summary>Records of a batch; a reader that asks for one in the middle gets them all.</summary>
    private const int BatchRecordsMax = 1000;

    private const int ReadBytesMax = 1 << 20;

    private readonly TopicRecord _record = new();
    private byte[] _buffer = [];
    private int _length;

    /// <summary>Null if nothing waits in [<paramref name="offset"/>, <paramref name="endOffset"/>). At least one message, whatever its size.</summary>
    /// <exception cref="LogFailedException">The log cannot be read there.</exception>
    public LogSlice? Read(long offset, int bytesMax, long endOffset)
    {
        LogStore store = queue.Host.Store;
        bytesMax = Math.Min(bytesMax, ReadBytesMax);
        long first = -1;
        long batchFirst = -1;
        long next = Math.Max(offset, lane.Cursor.Floor);
        using var batch = new RecordBatchBuilder { IsBrokerMessage = false };
        using LogReader reader = lane.Log.OpenReader(next);
        try
        {
            while (TryPeek(reader, out RecordView record) && record.Offset < endOffset && !(first >= 0 && _length + batch.Size >= bytesMax))
            {
                MessageRecord.Read(record, out MessageView message);
                if (IsThere(message))
                {
                    if (batch.Count > 0 && (record.Offset != next || batch.Count == BatchRecordsMax))
                    {
                        Finish(batch, batchFirst, store);
                    }

                    batchFirst = batch.Count == 0 ? record.Offset : batchFirst;
                    first = first < 0 ? record.Offset : first;
                    Add(batch, record, message);
                }

                next = record.Offset + 1;
                reader.Advance();
            }

            if (first < 0)
            {
                return null;
            }

            Finish(batch, batchFirst, store);
            byte[] buffer = _buffer;
            _buffer = [];
            return new LogSlice(store, buffer, _length, first, next);
        }
        finally
        {
            if (_buffer.Length > 0)
            {
                store.Buffers.Return(_buffer);
            }
        }
    }

    private bool TryPeek(LogReader reader, out RecordView record)
    {
        while (true)
        {
            PeekResult result = reader.TryPeek(out record);
            if (result != PeekResult.NeedsLoad)
            {
                return result == PeekResult.Record;
            }

            if (lane.Log.LoadWindow(reader.NextOffset) is { } window)
            {
                reader.Attach(window);
            }
        }
    }

    private bool IsThere(in MessageView message)
    {
        lock (queue.Gate)
        {
            return !lane.Cursor.IsSettled(message.Offset) && !queue.IsExpired(message);
        }
    }

    private void Add(RecordBatchBuilder batch, scoped in RecordView record, scoped in MessageView message)
    {
        if (message.Format == PropertiesFormat.Kafka)
        {
            batch.Append(message.CreatedMs, message.HasKey, message.Key, !message.HasNoBody, message.Body, message.Headers, message.HeaderCount);
            return;
        }

        var published = new MessageToPublish { Exchange = message.Exchange, RoutingKey = message.RoutingKey, Format = message.Format, Properties = message.Properties, Body = message.Body };
        _record.Encode(published, record.Headers, record.HeaderCount, queue.Host.Broker.FindFormat(message.Format));
        batch.Append(record.Timestamp, _record.HasKey, _record.Key, hasValue: true, message.Body, _record.Headers, _record.HeaderCount);
    }

    private void Finish(RecordBatchBuilder batch, long baseOffset, LogStore store)
    {
        ReadOnlySpan<byte> bytes = batch.Seal();
        if (_buffer.Length - _length < bytes.Length)
        {
            byte[] larger = store.Buffers.Take(_length + Math.Max(bytes.Length, ReadBytesMax));
            _buffer.AsSpan(0, _length).CopyTo(larger);
            if (_buffer.Length > 0)
            {
                store.Buffers.Return(_buffer);
            }

            _buffer = larger;
        }

        Span<byte> placed = _buffer.AsSpan(_length, bytes.Length);
        bytes.CopyTo(placed);
        RecordBatch.Place(placed, baseOffset);
        _length += bytes.Length;
        batch.Clear();
    }
}
