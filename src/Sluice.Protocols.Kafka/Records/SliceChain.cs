using Sluice.Broker.Topics;
using Sluice.Storage;
using Sluice.Transport;

namespace Sluice.Protocols.Kafka.Records;

/// <summary>The records of one partition in the answer to a fetch: slices of its log, end to end. Owns them.</summary>
internal sealed class SliceChain : IDisposable
{
    private readonly List<LogSlice?> _slices = [];
    private int _next;
    private long _copied;
    private long _skipped;
    private long _cut;

    /// <summary>In bytes.</summary>
    public long Length { get; private set; }

    /// <summary>One past the last offset as it was read; -1 when the last batch may be cut off.</summary>
    public long EndOffset { get; private set; }

    /// <summary>What there is from an offset on; null if there is nothing, or no room for it. May block on the disk.</summary>
    /// <param name="partition">Whose records.</param>
    /// <param name="offset">Where to begin.</param>
    /// <param name="limit">What begins here or later is not taken.</param>
    /// <param name="bytesMax">How much at most.</param>
    /// <param name="isFirst">The first batch of an answer is taken whatever its size (KIP-74).</param>
    /// <exception cref="LogFailedException">It can't be read.</exception>
    public static SliceChain? Read(TopicPartition partition, long offset, long limit, long bytesMax, bool isFirst)
    {
        SliceChain? chain = null;
        while (offset < limit && (bytesMax > 0 || (isFirst && chain is null)))
        {
            if (partition.Read(offset, (int)Math.Max(bytesMax, 0), limit) is not { } slice)
            {
                break;
            }

            if (slice.Length > bytesMax && !(isFirst && chain is null))
            {
                slice.Dispose();
                break;
            }

            chain ??= new SliceChain();
            chain.Add(slice);
            bytesMax -= slice.Length;
            offset = slice.EndOffset;
            if (offset < 0)
            {
                break;
            }
        }

        return chain;
    }

    /// <summary>Copies bytes from a position on, as many as there are up to the end of a slice. May block on the disk.</summary>
    /// <exception cref="IOException">A file could not be read.</exception>
    public int Read(long position, Span<byte> destination)
    {
        foreach (LogSlice? slice in _slices)
        {
            if (position < slice!.Length)
            {
                return slice.Read(position, destination);
            }

            position -= slice.Length;
        }

        return 0;
    }

    /// <summary>Leaves a part of it, before anything of it is sent. Slices that have no part in it are given back.</summary>
    public void Keep(long position, long length)
    {
        long end = Length;
        for (int i = _slices.Count - 1; i > 0 && end - _slices[i]!.Length >= position + length; i--)
        {
            end -= _slices[i]!.Length;
            _slices[i]!.Dispose();
            _slices.RemoveAt(i);
        }

        while (_slices.Count > 1 && position >= _slices[0]!.Length)
        {
            position -= _slices[0]!.Length;
            end -= _slices[0]!.Length;
            _slices[0]!.Dispose();
            _slices.RemoveAt(0);
        }

        (_skipped, _copied, _cut, Length) = (position, position, end - position - length, length);
    }

    public void Add(LogSlice slice)
    {
        _slices.Add(slice);
        Length += slice.Length;
        EndOffset = slice.EndOffset;
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
                long start = _next == 0 ? _skipped : 0;
                output.AppendFile(file, slice.FilePosition + start, LengthOf(_next) - start, slice);
                _slices[_next] = null;
            }
            else if (!Copy(slice, LengthOf(_next), output))
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

    /// <summary>Where in a slice the records end.</summary>
    private long LengthOf(int index) => _slices[index]!.Length - (index == _slices.Count - 1 ? _cut : 0);

    /// <summary>True when the slice is copied up to its end.</summary>
    private bool Copy(LogSlice slice, long end, ConnectionWriter output)
    {
        while (_copied < end)
        {
            if (output.PendingBytes >= output.Limits.HighWaterBytes)
            {
                return false;
            }

            int part = (int)Math.Min(end - _copied, ConnectionWriter.ReserveBytesMax);
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
