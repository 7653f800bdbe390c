namespace Sluice.Transport.Tests;

/// <summary>A stream whose writes complete when the test says so, and which keeps what was written.</summary>
internal sealed class GatedStream : Stream
{
    private readonly Lock _lock = new();
    private readonly MemoryStream _written = new();
    private TaskCompletionSource? _gate;
    private Exception? _failure;

    public int Writes { get; private set; }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public byte[] Written
    {
        get
        {
            lock (_lock)
            {
                return _written.ToArray();
            }
        }
    }

    /// <summary>Writes from now on wait for <see cref="Open"/>.</summary>
    public void Shut() => _gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Open()
    {
        TaskCompletionSource? gate = _gate;
        _gate = null;
        gate?.SetResult();
    }

    public void Fail(Exception error)
    {
        _failure = error;
        Open();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Writes++;
        if (_gate is { } gate)
        {
            await gate.Task;
        }

        if (_failure is not null)
        {
            throw _failure;
        }

        lock (_lock)
        {
            _written.Write(buffer.Span);
        }
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
