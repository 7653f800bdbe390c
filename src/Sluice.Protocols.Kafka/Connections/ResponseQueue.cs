using Sluice.Protocols.Kafka.Records;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Transport;

namespace Sluice.Protocols.Kafka.Connections;

/// <summary>
/// The answers of one connection, sent in the order of its requests although they become ready in any order and on any thread. One thread at a time hands over what is
/// ready; it holds no lock while it does. What the output has no room for stays here, records where they lie in their log, until it has.
/// </summary>
internal sealed class ResponseQueue
{
    private readonly Lock _sync = new();
    private readonly Queue<ResponseSlot> _slots = new();
    private readonly ConnectionWriter _output;
    private bool _isSending;
    private bool _isPaused;
    private bool _isClosed;
    private TaskCompletionSource? _room;
    private int _roomCount;

    // The answer on its way, and what is left of it. The sending thread's.
    private KafkaWriter? _current;
    private KafkaPieces.Enumerator _pieces;
    private bool _isWithinPiece;

    public ResponseQueue(ConnectionWriter output)
    {
        _output = output;
        output.Drained = Resume;
    }

    /// <summary>Answers not yet handed to the output.</summary>
    public int Count
    {
        get
        {
            lock (_sync)
            {
                return _slots.Count;
            }
        }
    }

    /// <summary>Takes the next place.</summary>
    public void Add(ResponseSlot slot)
    {
        lock (_sync)
        {
            _slots.Enqueue(slot);
        }
    }

    /// <summary>The slot's answer is known: sends it, and those behind it that are known, when all before it are.</summary>
    public void Complete(ResponseSlot slot)
    {
        lock (_sync)
        {
            slot.IsComplete = true;
            if (_isSending || (!_isClosed && _slots.Peek() != slot))
            {
                return;
            }

            _isSending = true;
        }

        Send();
    }

    /// <summary>Completes when fewer than <paramref name="max"/> answers wait.</summary>
    public ValueTask WaitForRoomAsync(int max, CancellationToken cancellation)
    {
        lock (_sync)
        {
            if (_slots.Count < max || _isClosed)
            {
                return default;
            }

            _roomCount = max;
            _room = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask(_room.Task.WaitAsync(cancellation));
        }
    }

    /// <summary>The connection has ended: what is or becomes ready is dropped.</summary>
    public void Close()
    {
        TaskCompletionSource? room;
        lock (_sync)
        {
            _isClosed = true;
            room = _room;
            _room = null;
            if (_isSending)
            {
                room?.TrySetResult();
                return;
            }

            _isSending = true;
        }

        room?.TrySetResult();
        Send();
    }

    /// <summary>The output has room again. On its flushing thread.</summary>
    private void Resume()
    {
        if (MayResume())
        {
            Send();
        }
    }

    private bool MayResume()
    {
        lock (_sync)
        {
            if (!_isPaused || _isSending || _output.IsBackedUp)
            {
                return false;
            }

            _isPaused = false;
            _isSending = true;
            return true;
        }
    }

    private void Send()
    {
        do
        {
            bool any = false;
            while (TryTake(out bool isClosed))
            {
                if (isClosed)
                {
                    Drop();
                }
                else
                {
                    Write();
                    any = true;
                }
            }

            if (any)
            {
                _output.ScheduleFlush();
            }
        }
        while (MayResume());
    }

    /// <summary>Whether there is more to send now; else this thread no longer sends.</summary>
    private bool TryTake(out bool isClosed)
    {
        TaskCompletionSource? room = null;
        bool any = false;
        lock (_sync)
        {
            isClosed = _isClosed;
            if (_output.IsBackedUp && !isClosed)
            {
                _isPaused = true;
                _isSending = false;
            }
            else if (_current is not null)
            {
                any = true;
            }
            else if (_slots.TryPeek(out ResponseSlot? slot) && slot.IsComplete)
            {
                _slots.Dequeue();
                Begin(slot.Writer);
                slot.Writer = null;
                any = true;
                if (_room is not null && _slots.Count < _roomCount)
                {
                    room = _room;
                    _room = null;
                }
            }
            else
            {
                _isSending = false;
            }
        }

        room?.TrySetResult();
        return any;
    }

    private void Begin(KafkaWriter? writer)
    {
        _current = writer;
        if (writer is not null)
        {
            _pieces = writer.Pieces.GetEnumerator();
            _isWithinPiece = false;
        }
    }

    /// <summary>Goes on with the current answer as far as the output has room.</summary>
    private void Write()
    {
        if (_current is null)
        {
            return;
        }

        string? problem = null;
        bool isOver = true;
        if (_output.Enter())
        {
            try
            {
                isOver = AppendPieces();
            }
            catch (IOException error)
            {
                problem = error.Message;
            }
            finally
            {
                _output.Exit();
            }
        }

        if (isOver)
        {
            Drop();
        }

        if (problem is not null)
        {
            // A part of the answer is on its way: the client can only be told by the end of the connection.
            _output.Abort($"records could not be read: {problem}");
        }
    }

    private bool AppendPieces()
    {
        while (_isWithinPiece || _pieces.MoveNext())
        {
            KafkaPiece piece = _pieces.Current;
            if (piece.Records.Source is SliceChain chain)
            {
                _isWithinPiece = !chain.AppendTo(_output);
                if (_isWithinPiece)
                {
                    return false;
                }
            }
            else
            {
                _output.Append(piece.Records.IsNull ? piece.Bytes.Span : piece.Records.Memory.Span);
            }
        }

        return true;
    }

    private void Drop()
    {
        if (_current is not { } writer)
        {
            return;
        }

        _current = null;
        foreach (KafkaPiece piece in writer.Pieces)
        {
            (piece.Records.Source as IDisposable)?.Dispose();
        }

        writer.Dispose();
    }
}
