using Sluice.Storage;
using Sluice.Transport;

namespace Sluice.Protocols.Kafka.Records;

/// <summary>The records of one partition in the answer to a fetch: slices of its log, end to end. Owns them.</summary>
internal sealed class SliceChain : IDisposable
{
    private readonly List<LogSlice> _slices = [];

    /// <summary>In bytes.</summary>
    public long Length { get; private set; }

    public void Add(LogSlice slice)
    {
        _slices.Add(slice);
        Length += slice.Length;
    }

    /// <summary>Copies the bytes to the output. Between its Enter and Exit.</summary>
    public void AppendTo(ConnectionWriter output)
    {
        foreach (LogSlice slice in _slices)
        {
            if (slice.IsInMemory)
            {
                output.Append(slice.Memory.Span);
                continue;
            }

            for (long at = 0; at < slice.Length;)
            {
                int part = (int)Math.Min(slice.Length - at, ConnectionWriter.ReserveBytesMax);
                int read = slice.Read(at, output.Reserve(part));
                if (read == 0)
                {
                    throw new IOException("A segment is shorter than it was.");
                }

                output.Commit(read);
                at += read;
            }
        }
    }

    public void Dispose()
    {
        foreach (LogSlice slice in _slices)
        {
            slice.Dispose();
        }

        _slices.Clear();
    }
}
