using Sluice.Broker.Shares;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Records;

/// <summary>Finds the batches of what was read of a log by their headers, without looking at their records.</summary>
internal static class BatchScanner
{
    private const int WindowBytes = 4096;

    /// <summary>The whole batches, in order, up to the one that has an offset. May block on the disk.</summary>
    /// <exception cref="IOException">A file could not be read.</exception>
    public static List<BatchSpan> Scan(SliceChain chain, long untilOffset)
    {
        var batches = new List<BatchSpan>();
        Span<byte> window = stackalloc byte[WindowBytes];
        long start = 0;
        int length = 0;
        for (long position = 0; position + RecordBatch.HeaderBytes <= chain.Length;)
        {
            if (position + RecordBatch.HeaderBytes > start + length)
            {
                start = position;
                length = chain.Read(position, window);
                if (length < RecordBatch.HeaderBytes)
                {
                    break;
                }
            }

            ReadOnlySpan<byte> header = window.Slice((int)(position - start), RecordBatch.HeaderBytes);
            int size = RecordBatch.Size(header);
            if (size < RecordBatch.HeaderBytes || position + size > chain.Length)
            {
                break;
            }

            long last = RecordBatch.EndOffset(header) - 1;
            batches.Add(new BatchSpan(RecordBatch.BaseOffset(header), last, position, size, RecordBatch.IsTransactional(header) ? RecordBatch.ProducerId(header) : RecordBatch.NoProducerId));
            if (last >= untilOffset)
            {
                break;
            }

            position += size;
        }

        return batches;
    }
}
