using Sluice.Protocols.Kafka.Records;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Transport;

namespace Sluice.Protocols.Kafka.Connections;

/// <summary>
/// The answers of one connection, sent in the order of its requests although they become ready in any order and on any thread. One thread at a time hands over what is
/// ready; it holds no lock while it does.
/// </summary>
internal sealed class ResponseQueue(ConnectionWriter output)
{
    private readonly Lock _sync = new();
    private readonly Queue<ResponseSlot> _slots = new();
    private bool _isSending;
    private bool _isClosed;
    private TaskCompletionSource? _room;
    private int _roomCount;

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
    public ValueTask WaitForRoomAsync(int max)
    {
        lock (_sync)
        {
            if (_slots.Count < max || _isClosed)
            {
                return default;
            }

            _roomCount = max;
            _room = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask(_room.Task);
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

    private void Send()
    {
        bool any = false;
        while (TryTake(out KafkaWriter? writer, out bool isClosed))
        {
            if (writer is not null)
            {
                if (isClosed)
                {
                    Drop(writer);
                }
                else
                {
                    Write(writer);
                    any = true;
                }
            }
        }

        if (any)
        {
            output.ScheduleFlush();
        }
    }

    private bool TryTake(out KafkaWriter? writer, out bool isClosed)
    {
        TaskCompletionSource? room = null;
        bool any = false;
        writer = null;
        lock (_sync)
        {
            isClosed = _isClosed;
            if (_slots.TryPeek(out ResponseSlot? slot) && slot.IsComplete)
            {
                _slots.Dequeue();
                writer = slot.Writer;
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

    private void Write(KafkaWriter writer)
    {
        string? problem = null;
        if (output.Enter())
        {
            try
            {
                Append(writer);
            }
            catch (IOException error)
            {
                problem = error.Message;
            }
            finally
            {
                output.Exit();
            }
        }

        Drop(writer);
        if (problem is not null)
        {
            // A part of the answer is on its way: the client can only be told by the end of the connection.
            output.Abort($"records could not be read: {problem}");
        }
    }

    private void Append(KafkaWriter writer)
    {
        foreach (KafkaPiece piece in writer.Pieces)
        {
            if (piece.Records.Source is SliceChain chain)
            {
                chain.AppendTo(output);
            }
            else
            {
                output.Append(piece.Records.IsNull ? piece.Bytes.Span : piece.Records.Memory.Span);
            }
        }
    }

    private static void Drop(KafkaWriter writer)
    {
        foreach (KafkaPiece piece in writer.Pieces)
        {
            (piece.Records.Source as IDisposable)?.Dispose();
        }

        writer.Dispose();
    }
}
