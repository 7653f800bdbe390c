using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;

namespace Sluice.Transport;

/// <summary>
/// The output of one connection. Any thread appends whole frames between <see cref="Enter"/> and <see cref="Exit"/>, then
/// asks for a flush; at most one flusher at a time takes what has gathered and sends it block by block, so that a busy
/// connection makes few and large sends. No allocation in the steady state; no block is held while nothing is pending.
/// </summary>
/// <remarks>
/// The lock is held only to copy bytes into blocks, never across a send. <see cref="Flush"/> sends on the caller's thread, which must hold
/// no lock; <see cref="ScheduleFlush"/> may be called anywhere.
/// </remarks>
public sealed class ConnectionWriter : IThreadPoolWorkItem
{
    /// <summary>Largest contiguous piece <see cref="Reserve"/> gives, in bytes.</summary>
    public const int ReserveBytesMax = BlockPool.BlockBytes;

    // A thread that came to flush its own frames hands the work over after this many sends, when others keep appending.
    private const int InlineSendsMax = 8;

    private readonly Lock _lock = new();
    private readonly Stream _stream;
    private readonly Action<string> _abort;
    private readonly Action<IThreadPoolWorkItem>? _post;

    // Guarded by _lock.
    private OutputChain _output;
    private long _pendingBytes;
    private State _state;
    private bool _flushing;
    private bool _aboveHighWater;
    private TaskCompletionSource? _room;
    private TaskCompletionSource? _idle;

    private OutputPiece? _sending;

    // Owned by the flusher.
    private ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _send;
    private Action? _resume;

    /// <param name="stream">Where bytes go. One WriteAsync at a time; never closed by the writer.</param>
    /// <param name="pool">Where blocks come from.</param>
    /// <param name="limits">High-water, low-water and hard limit.</param>
    /// <param name="abort">Closes the connection at once so that a send in progress fails; told why. Called off the lock, any thread, possibly more than once.</param>
    /// <param name="post">Runs scheduled flushes where the connection's input is handled; null: on the thread pool.</param>
    public ConnectionWriter(Stream stream, BlockPool pool, ConnectionWriterLimits limits, Action<string> abort, Action<IThreadPoolWorkItem>? post = null)
    {
        _post = post;
        _stream = stream;
        _output = new OutputChain(pool);
        _abort = abort;
        Limits = limits;
    }

    private enum State : byte
    {
        Open,
        Closing,
        Closed,
    }

    public ConnectionWriterLimits Limits { get; }

    /// <summary>Bytes appended and not yet taken by the socket.</summary>
    public long PendingBytes => Volatile.Read(ref _pendingBytes);

    /// <summary>
    /// True from the moment pending bytes reach the high-water mark until they have fallen to the low-water mark. To pause without missing the
    /// wake-up: note that you are paused, then look here again; if it is false by then, go on.
    /// </summary>
    public bool IsBackedUp => Volatile.Read(ref _aboveHighWater);

    /// <summary>Set once by the owner before use: called off the lock, on the flushing thread, when a backed-up output has drained. Must be short.</summary>
    public Action? Drained { get; set; }

    /// <summary>
    /// Takes the lock for one or more whole frames; follow with <see cref="Exit"/>. Not reentrant in spirit: append, then leave.
    /// Returns false, without the lock, when the connection is closing: drop the frame.
    /// </summary>
    public bool Enter()
    {
        _lock.Enter();
        if (_state == State.Open)
        {
            return true;
        }

        _lock.Exit();
        return false;
    }

    /// <summary>Contiguous room for <paramref name="size"/> bytes (1 to <see cref="ReserveBytesMax"/>), unwritten until <see cref="Commit"/>. Between Enter and Exit only.</summary>
    public Span<byte> Reserve(int size)
    {
        Debug.Assert(_lock.IsHeldByCurrentThread, "Reserve outside of Enter and Exit");
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)size - 1, (uint)ReserveBytesMax - 1, nameof(size));
        return _output.Reserve(size);
    }

    /// <summary>Makes the first <paramref name="size"/> bytes of the last reservation part of the output.</summary>
    public void Commit(int size)
    {
        Debug.Assert(_lock.IsHeldByCurrentThread, "Commit outside of Enter and Exit");
        _output.Commit(size);
        _pendingBytes += size;
    }

    /// <summary>Copies bytes of any length to the output. Between Enter and Exit only.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        Debug.Assert(_lock.IsHeldByCurrentThread, "Append outside of Enter and Exit");
        _pendingBytes += bytes.Length;
        _output.Append(bytes);
    }

    /// <summary>Copies a sequence to the output. Between Enter and Exit only.</summary>
    public void Append(in ReadOnlySequence<byte> bytes)
    {
        foreach (ReadOnlyMemory<byte> segment in bytes)
        {
            Append(segment.Span);
        }
    }

    /// <summary>Whether <see cref="AppendFile"/> can be used: not where bytes are encrypted here.</summary>
    public bool CanSendFiles => _stream is IFileSender;

    /// <summary>Makes a range of a file part of the output; the kernel sends it from its page cache. Between Enter and Exit only.</summary>
    /// <param name="file">Stays open until <paramref name="owner"/> is disposed.</param>
    /// <param name="position">Where the range begins.</param>
    /// <param name="length">Bytes of the range; they must be there.</param>
    /// <param name="owner">Disposed when the range is sent or dropped, on any thread.</param>
    public void AppendFile(SafeFileHandle file, long position, long length, IDisposable owner)
    {
        Debug.Assert(_lock.IsHeldByCurrentThread, "AppendFile outside of Enter and Exit");
        var piece = new FilePiece(file, position, length, owner);
        _output.Add(piece);
        _pendingBytes += piece.Weight;
    }

    /// <summary>Ends what <see cref="Enter"/> began. Does not send: follow with <see cref="Flush"/> or <see cref="ScheduleFlush"/>, once per turn.</summary>
    public void Exit()
    {
        bool tooMuch = false;
        if (_pendingBytes >= Limits.HighWaterBytes)
        {
            _aboveHighWater = true;
            tooMuch = _pendingBytes > Limits.HardLimitBytes;
        }

        _lock.Exit();
        if (tooMuch)
        {
            Abort($"the peer does not read: {PendingBytes} bytes wait for it, {Limits.HardLimitBytes} are allowed");
        }
    }

    /// <summary>Sends what is pending on this thread until the socket is full; the rest follows by itself. The caller must hold no lock. Does nothing if a flusher is at work.</summary>
    public void Flush()
    {
        if (TryBeginFlush())
        {
            RunFlusher();
        }
    }

    /// <summary>Like <see cref="Flush"/>, soon and on another thread: what is appended until it runs goes with it.</summary>
    public void ScheduleFlush()
    {
        if (TryBeginFlush())
        {
            QueueFlusher();
        }
    }

    /// <summary>Completes when the output is not backed up (at once, as a rule) or the connection is closing. Allocates only when it must wait.</summary>
    public ValueTask WaitForRoomAsync(CancellationToken cancellation)
    {
        lock (_lock)
        {
            if (!_aboveHighWater || _state != State.Open)
            {
                return default;
            }

            _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask(_room.Task.WaitAsync(cancellation));
        }
    }

    /// <summary>Takes no more frames, sends what is pending, and completes when the last block is back in the pool. After <paramref name="timeout"/> the rest is dropped and the connection aborted.</summary>
    public async Task CloseAsync(TimeSpan timeout, TimeProvider clock)
    {
        Task idle = BeginClose();
        Flush();
        try
        {
            await idle.WaitAsync(timeout, clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            Abort($"the peer did not take the last {PendingBytes} bytes within {timeout.TotalSeconds:0.###} s");
            await idle.ConfigureAwait(false);
        }
    }

    /// <summary>Drops everything pending and aborts the connection.</summary>
    public void Abort(string reason)
    {
        OutputPiece? dropped;
        TaskCompletionSource? room;
        TaskCompletionSource? idle;
        lock (_lock)
        {
            dropped = _output.TakeAll();
            _pendingBytes = WeightOf(_sending);
            _state = State.Closed;
            room = _room;
            _room = null;
            idle = _flushing ? null : _idle;
        }

        OutputChain.Drop(dropped);
        _abort(reason);
        room?.TrySetResult();
        idle?.TrySetResult();
    }

    void IThreadPoolWorkItem.Execute() => RunFlusher();

    private Task BeginClose()
    {
        TaskCompletionSource? room;
        TaskCompletionSource idle;
        bool isIdle;
        lock (_lock)
        {
            if (_state == State.Open)
            {
                _state = State.Closing;
            }

            room = _room;
            _room = null;
            idle = _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            isIdle = !_flushing && _output.IsEmpty;
        }

        room?.TrySetResult();
        if (isIdle)
        {
            idle.TrySetResult();
        }

        return idle.Task;
    }

    private bool TryBeginFlush()
    {
        lock (_lock)
        {
            if (_flushing || _output.IsEmpty)
            {
                return false;
            }

            _flushing = true;
            return true;
        }
    }

    private void QueueFlusher()
    {
        // Sending a file may wait for the disk, which must not hold up other connections.
        if (_post is null || _sending is FilePiece)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: true);
        }
        else
        {
            _post(this);
        }
    }

    private void RunFlusher()
    {
        for (int sends = 0; TakeBlock(); sends++)
        {
            if (sends == InlineSendsMax || (_sending is FilePiece file && !file.MaySendHere((IFileSender)_stream)))
            {
                QueueFlusher();
                return;
            }

            try
            {
#pragma warning disable CA2012 // Consumed once: GetResult in EndSend, now or when Resume is called.
                _send = SendPiece(_sending!).ConfigureAwait(false).GetAwaiter();
#pragma warning restore CA2012
            }
            catch (Exception error) when (IsConnectionError(error))
            {
                EndPiece(error);
                continue;
            }

            if (!_send.IsCompleted)
            {
                _send.UnsafeOnCompleted(_resume ??= Resume);
                return;
            }

            EndSend();
        }
    }

    private ValueTask SendPiece(OutputPiece piece) =>
        piece is Block block ? _stream.WriteAsync(block.Memory[..block.Length]) : ((FilePiece)piece).SendTo((IFileSender)_stream);

    private void Resume()
    {
        EndSend();
        RunFlusher();
    }

    private void EndSend()
    {
        Exception? failure = null;
        try
        {
            _send.GetResult();
        }
        catch (Exception error) when (IsConnectionError(error))
        {
            failure = error;
        }

        if (failure is not null || _sending is not FilePiece { Remaining: > 0 })
        {
            EndPiece(failure);
        }
    }

    /// <summary>Lets go of the piece sent, and tells those who wait for room.</summary>
    private void EndPiece(Exception? failure)
    {
        OutputPiece piece = _sending!;
        bool drained = false;
        TaskCompletionSource? room = null;
        lock (_lock)
        {
            _sending = null;
            _pendingBytes -= WeightOf(piece);
            if (_aboveHighWater && _pendingBytes <= Limits.LowWaterBytes)
            {
                _aboveHighWater = false;
                drained = true;
                room = _room;
                _room = null;
            }
        }

        piece.Dispose();
        if (failure is not null)
        {
            Abort($"sending failed: {failure.Message}");
            return;
        }

        if (drained)
        {
            room?.TrySetResult();
            Drained?.Invoke();
        }
    }

    /// <summary>Makes the oldest piece the one to send. When there is none the flusher ends here.</summary>
    private bool TakeBlock()
    {
        TaskCompletionSource? idle;
        lock (_lock)
        {
            if (_sending is not null)
            {
                return true;
            }

            _sending = _output.TakeFirst();
            if (_sending is not null)
            {
                return true;
            }

            _flushing = false;
            idle = _idle;
        }

        idle?.TrySetResult();
        return false;
    }

    private static int WeightOf(OutputPiece? piece) => piece switch
    {
        Block block => block.Length,
        FilePiece file => file.Weight,
        _ => 0,
    };

    private static bool IsConnectionError(Exception error) =>
        error is IOException or ObjectDisposedException or System.Net.Sockets.SocketException or OperationCanceledException or InvalidOperationException;
}
