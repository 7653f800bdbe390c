using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading.Tasks.Sources;
using Microsoft.Win32.SafeHandles;

namespace Sluice.Transport.Polling;

/// <summary>
/// A connected socket as a stream whose waiting is done by a <see cref="SocketLoop"/>: what waits is completed, and goes on, on the
/// loop's thread. One read and one write at a time. No allocation per operation.
/// </summary>
/// <remarks>
/// The loop reports edges: a flag is cleared before the socket is tried and set by the next report, so that an arrival between a failed try and the
/// wait is never missed. Only the loop's thread completes what waits; cancelling and closing are posted to it.
/// </remarks>
internal sealed partial class PolledStream : Stream, IFileSender, IValueTaskSource<int>, IValueTaskSource, IThreadPoolWorkItem
{
    // A sender that never pauses gives way to the loop's other connections after this much.
    private const int BytesPerTurnMax = 256 << 10;

    // One call of the kernel's: more than a socket's buffer holds as a rule.
    private const long FileBytesPerSendMax = 4 << 20;

    private const int WouldBlock = 11;
    private const int Interrupted = 4;

    private readonly Lock _sync = new();
    private readonly Socket _socket;
    private readonly SocketLoop _loop;
    private readonly int _descriptor;

    private ManualResetValueTaskSourceCore<int> _read;
    private ManualResetValueTaskSourceCore<bool> _write;
    private Memory<byte> _readBuffer;
    private ReadOnlyMemory<byte> _writeBuffer;
    private CancellationToken _readToken;
    private CancellationTokenRegistration _readCancellation;
    private int _turnBytes;
    private bool _isReadPending;
    private bool _isWritePending;
    private volatile bool _isReadable;
    private volatile bool _isWritable;
    private volatile bool _hasPeerHungUp;
    private volatile bool _isClosed;

    /// <param name="socket">Connected; owned by the stream from now on.</param>
    /// <param name="loop">Waits for it.</param>
    public PolledStream(Socket socket, SocketLoop loop)
    {
        _socket = socket;
        _loop = loop;
        socket.Blocking = false;
        _descriptor = (int)socket.SafeHandle.DangerousGetHandle();
        loop.Add(this, _descriptor);
    }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Reads what is there, or waits for the first byte. An empty buffer only waits. 0: the peer has closed.</summary>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<int>(cancellationToken);
        }

        bool givesWay = _turnBytes >= BytesPerTurnMax;
        while (true)
        {
            if (!givesWay && TryReceive(buffer.Span, out int received, out Exception? failure))
            {
                return failure is null ? new ValueTask<int>(received) : ValueTask.FromException<int>(failure);
            }

            lock (_sync)
            {
                if (!_isClosed && (givesWay || !_isReadable))
                {
                    _read.Reset();
                    _readBuffer = buffer;
                    _readToken = cancellationToken;
                    _isReadPending = true;
                    break;
                }
            }

            if (_isClosed)
            {
                return ValueTask.FromException<int>(Closed());
            }
        }

        short version = _read.Version;
        _readCancellation = cancellationToken.UnsafeRegister(static state => ((PolledStream)state!).PostSelf(), this);
        if (givesWay)
        {
            PostSelf();
        }

        return new ValueTask<int>(this, version);
    }

    /// <summary>Completes when the kernel has taken all of it.</summary>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            if (TrySend(ref buffer, out Exception? failure))
            {
                return failure is null ? default : ValueTask.FromException(failure);
            }

            lock (_sync)
            {
                if (!_isClosed && !_isWritable)
                {
                    _write.Reset();
                    _writeBuffer = buffer;
                    _isWritePending = true;
                    break;
                }
            }

            if (_isClosed)
            {
                return ValueTask.FromException(Closed());
            }
        }

        return new ValueTask(this, _write.Version);
    }

    public long SendFile(SafeFileHandle file, long position, long length)
    {
        _isWritable = false;
        nint sent;
        do
        {
            sent = SendFile(_socket.SafeHandle, file, ref position, (nint)Math.Min(length, FileBytesPerSendMax));
        }
        while (sent < 0 && Marshal.GetLastPInvokeError() == Interrupted);
        return sent switch
        {
            > 0 => sent,
            0 => throw new IOException("The file is shorter than what was to be sent of it."),
            _ when Marshal.GetLastPInvokeError() == WouldBlock => 0,
            _ => throw new IOException($"sendfile failed (errno {Marshal.GetLastPInvokeError()})"),
        };
    }

    public bool IsInMemory(SafeFileHandle file, long position, long length) => PageCache.Holds(file, position, length);

    public ValueTask WaitWritableAsync()
    {
        lock (_sync)
        {
            if (!_isClosed && !_isWritable)
            {
                _write.Reset();
                _writeBuffer = default;
                _isWritePending = true;
                return new ValueTask(this, _write.Version);
            }
        }

        return _isClosed ? ValueTask.FromException(Closed()) : default;
    }

    /// <summary>What the loop saw of the socket. Loop's thread.</summary>
    public void OnEvents(EpollEvents events)
    {
        if ((events & (EpollEvents.PeerHangUp | EpollEvents.HangUp | EpollEvents.Error)) != 0)
        {
            _hasPeerHungUp = true;
        }

        if ((events & ~EpollEvents.Out) != 0)
        {
            _isReadable = true;
        }

        if ((events & (EpollEvents.Out | EpollEvents.HangUp | EpollEvents.Error)) != 0)
        {
            _isWritable = true;
        }

        Continue();
    }

    /// <summary>Something was posted: a cancellation, the close, or the next turn of a fast sender. Loop's thread.</summary>
    void IThreadPoolWorkItem.Execute() => Continue();

    int IValueTaskSource<int>.GetResult(short token)
    {
        _readCancellation.Unregister();
        _readCancellation = default;
        return _read.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _read.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _read.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource.GetResult(short token) => _write.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _write.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _write.OnCompleted(continuation, state, token, flags);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw Synchronous();

    public override void Write(byte[] buffer, int offset, int count) => throw Synchronous();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Closes the socket at once; what waits fails with an <see cref="IOException"/>. Any thread.</summary>
    protected override void Dispose(bool disposing)
    {
        lock (_sync)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
        }

        _loop.Remove(this, _descriptor);
        _socket.Dispose();
        PostSelf();
        base.Dispose(disposing);
    }

    private static NotSupportedException Synchronous() => new("A connection is only read and written asynchronously: a blocked call would hold up the loop.");

    private static IOException Closed() => new("The connection was closed on this side.");

    private void PostSelf() => _loop.Post(this);

    private void Continue()
    {
        _turnBytes = 0;
        ContinueWrite();
        ContinueRead();
    }

    private void ContinueRead()
    {
        Exception? failure;
        int received = 0;
        while (true)
        {
            lock (_sync)
            {
                if (!_isReadPending)
                {
                    return;
                }
            }

            failure = _isClosed ? Closed() : _readToken.IsCancellationRequested ? new OperationCanceledException(_readToken) : null;
            if (failure is not null || TryReceive(_readBuffer.Span, out received, out failure))
            {
                break;
            }

            if (!_isReadable)
            {
                return;
            }
        }

        lock (_sync)
        {
            _isReadPending = false;
        }

        _readBuffer = default;
        if (failure is null)
        {
            _read.SetResult(received);
        }
        else
        {
            _read.SetException(failure);
        }
    }

    private void ContinueWrite()
    {
        Exception? failure;
        while (true)
        {
            lock (_sync)
            {
                if (!_isWritePending)
                {
                    return;
                }
            }

            if (_writeBuffer.IsEmpty && !_isWritable && !_isClosed)
            {
                return;
            }

            failure = _isClosed ? Closed() : null;
            if (failure is not null || TrySend(ref _writeBuffer, out failure))
            {
                break;
            }

            if (!_isWritable)
            {
                return;
            }
        }

        lock (_sync)
        {
            _isWritePending = false;
        }

        _writeBuffer = default;
        if (failure is null)
        {
            _write.SetResult(true);
        }
        else
        {
            _write.SetException(failure);
        }
    }

    /// <summary>False when there is nothing yet.</summary>
    private bool TryReceive(Span<byte> buffer, out int received, out Exception? failure)
    {
        received = 0;
        failure = null;
        if (!_isReadable)
        {
            return false;
        }

        if (buffer.IsEmpty)
        {
            return true;
        }

        _isReadable = false;
        SocketError error;
        try
        {
            received = _socket.Receive(buffer, SocketFlags.None, out error);
        }
        catch (ObjectDisposedException)
        {
            failure = Closed();
            return true;
        }

        if (error == SocketError.WouldBlock)
        {
            return false;
        }

        if (error != SocketError.Success)
        {
            failure = Failed(error);
            return true;
        }

        if (received == buffer.Length || _hasPeerHungUp)
        {
            // There may be more, the end of the stream included, and no further report of it.
            _isReadable = true;
        }

        _turnBytes += received;
        if (_loop.IsCurrent)
        {
            _loop.Received(received);
        }

        return true;
    }

    /// <summary>False when the kernel took only a part, which is then cut from <paramref name="buffer"/>.</summary>
    private bool TrySend(ref ReadOnlyMemory<byte> buffer, out Exception? failure)
    {
        failure = null;
        while (!buffer.IsEmpty)
        {
            _isWritable = false;
            SocketError error;
            int sent;
            try
            {
                sent = _socket.Send(buffer.Span, SocketFlags.None, out error);
            }
            catch (ObjectDisposedException)
            {
                failure = Closed();
                return true;
            }

            if (error == SocketError.WouldBlock)
            {
                return false;
            }

            if (error != SocketError.Success)
            {
                failure = Failed(error);
                return true;
            }

            buffer = buffer[sent..];
        }

        return true;
    }

    [LibraryImport("libc", EntryPoint = "sendfile", SetLastError = true)]
    private static partial nint SendFile(SafeHandle socket, SafeFileHandle file, ref long offset, nint count);

    private static IOException Failed(SocketError error)
    {
        var inner = new SocketException((int)error);
        return new IOException(inner.Message, inner);
    }
}
