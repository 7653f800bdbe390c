using Sluice.Storage;
using Sluice.Transport;

namespace Sluice.Protocols.Kafka.Records;

/// <summary>The records of one partition in the answer to a fetch: slices of its log, end to end. Owns them.</summary>
internal sealed class SliceChain : IDisposable
{
    private readonly List<LogSlice?> _slices = [];
    private int _next;
    private long _copied;

    /// <summary>In bytes.</summary>
    public long Length { get; private set; }

    public void Add(LogSlice slice)
    {
        _slices.Add(slice);
        Length += slice.Length;
    }

    /// <summary>
    /// Goes on making the records part of the output, between its Enter and Exit, until it is backed up: what is in memory is copied, what is in a file is left to the
    /// kernel where that is possible. True when all are.
    /// </summary>
    /// <exception cref="IOException">A file could not be read.</exception>
    public bool AppendTo(ConnectionWriter output)
    {
        while (_next < _slices.Count)
        {
            LogSlice slice = _slices[_next]!;
            if (slice.File is { } file && output.CanSendFiles)
            {
                output.AppendFile(file, slice.FilePosition, slice.Length, slice);
                _slices[_next] = null;
            }
            else if (!Copy(slice, output))
            {
                return false;
            }

            _next++;
            _copied = 0;
        }

        return true;
    }

    public void Dispose()
    {
        foreach (LogSlice? slice in _slices)
        {
            slice?.Dispose();
        }

        _slices.Clear();
    }

    /// <summary>True when the whole slice is copied.</summary>
    private bool Copy(LogSlice slice, ConnectionWriter output)
    {
        while (_copied < slice.Length)
        {
            if (output.PendingBytes >= output.Limits.HighWaterBytes)
            {
                return false;
            }

            int part = (int)Math.Min(slice.Length - _copied, ConnectionWriter.ReserveBytesMax);
            if (slice.IsInMemory)
            {
                output.Append(slice.Memory.Span.Slice((int)_copied, part));
            }
            else
            {
                part = slice.Read(_copied, output.Reserve(part));
                if (part == 0)
                {
                    throw new IOException("A segment is shorter than it was.");
                }

                output.Commit(part);
            }

            _copied += part;
        }

        return true;
    }
}
