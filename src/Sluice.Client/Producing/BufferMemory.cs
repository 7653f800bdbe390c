namespace Sluice.Client.Producing;

/// <summary>Counts the bytes of batches that are not acknowledged, and makes who wants more wait for their turn. Thread-safe.</summary>
internal sealed class BufferMemory(long limit)
{
    private readonly Lock _sync = new();
    private readonly LinkedList<Waiter> _waiters = new();
    private long _used;

    /// <summary>Somebody waits: batches should go although they are not full.</summary>
    public bool HasWaiters => Volatile.Read(ref _used) > 0 && _waiters.Count > 0;

    public long Used
    {
        get
        {
            lock (_sync)
            {
                return _used;
            }
        }
    }

    /// <summary>Takes room if there is some and nobody waits for it.</summary>
    public bool TryReserve(int bytes)
    {
        lock (_sync)
        {
            if (_waiters.Count > 0 || _used + bytes > limit)
            {
                return false;
            }

            _used += bytes;
            return true;
        }
    }

    /// <summary>Takes room when there is some, in the order of asking.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; nothing was taken.</exception>
    public async Task ReserveAsync(int bytes, CancellationToken cancel)
    {
        LinkedListNode<Waiter> waiter;
        lock (_sync)
        {
            if (_waiters.Count == 0 && _used + bytes <= limit)
            {
                _used += bytes;
                return;
            }

            waiter = _waiters.AddLast(new Waiter(bytes));
        }

        using CancellationTokenRegistration registration = cancel.UnsafeRegister(state => Cancel((LinkedListNode<Waiter>)state!, cancel), waiter);
        await waiter.Value.Task.ConfigureAwait(false);
    }

    public void Release(int bytes)
    {
        lock (_sync)
        {
            _used -= bytes;
            Serve();
        }
    }

    private void Cancel(LinkedListNode<Waiter> waiter, CancellationToken cancel)
    {
        lock (_sync)
        {
            if (waiter.List is null)
            {
                return;
            }

            _waiters.Remove(waiter);
            waiter.Value.TrySetCanceled(cancel);
            Serve();
        }
    }

    private void Serve()
    {
        while (_waiters.First is { } first && _used + first.Value.Bytes <= limit)
        {
            _waiters.RemoveFirst();
            _used += first.Value.Bytes;
            first.Value.TrySetResult();
        }
    }

    private sealed class Waiter(int bytes) : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public int Bytes => bytes;
    }
}
