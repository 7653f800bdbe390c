using Sluice.Storage;
using Sluice.Transport;

namespace Sluice.Protocols.Kafka.Records;

/// <summary>The records of one partition in the answer to a fetch: slices of its log, end to end. Owns them.</summary>
internal sealed class SliceChain : IDisposable
{
    private readonly List<LogSlice?> _slices = [];

    /// <summary>In bytes.</summary>
    public long Length { get; private set; }

    public void Add(LogSlice slice)
    {
        _slices.Add(slice);
        Length += slice.Length;
    }

    /// <summary>Makes the records part of the output, between its Enter and Exit: what is in memory is copied, what is in a file is left to the kernel where that is possible.</summary>
    /// <exception cref="IOException">A file could not be read.</exception>
    public void AppendTo(ConnectionWriter output)
    {
        for (int i = 0; i < _slices.Count; i++)
        {
            LogSlice slice = _slices[i]!;
            if (slice.IsInMemory)
            {
                output.Append(slice.Memory.Span);
            }
            else if (slice.File is { } file && output.CanSendFiles)
            {
                output.AppendFile(file, slice.FilePosition, slice.Length, slice);
                _slices[i] = null;
            }
            else
            {
                Copy(slice, output);
            }
        }
    }

    public void Dispose()
    {
        foreach (LogSlice? slice in _slices)
        {
            slice?.Dispose();
        }

        _slices.Clear();
    }

    private static void Copy(LogSlice slice, ConnectionWriter output)
    {
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
