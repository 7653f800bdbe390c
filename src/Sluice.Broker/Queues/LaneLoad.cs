using Sluice.Storage;

namespace Sluice.Broker.Queues;

/// <summary>Reads a piece of a lane's backlog from the disk on a worker, off the queue's lock, then serves consumers. One at a time per lane; reused.</summary>
internal sealed class LaneLoad(CompetingQueue queue, Lane lane) : IThreadPoolWorkItem
{
    private long _offset;
    private int _bytesMax;
    private TaskCompletionSource? _waiter;

    public bool IsRunning { get; private set; }

    /// <summary>Gate held.</summary>
    public void Start(long offset, int bytesMax)
    {
        IsRunning = true;
        _bytesMax = bytesMax;
        _offset = offset;
        queue.Host.Scheduler.Post(this);
    }

    /// <summary>Completes when the load under way ends. Gate held.</summary>
    public Task WhenDone() => IsRunning ? (_waiter ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task : Task.CompletedTask;

    public void Execute()
    {
        LogWindow? window = null;
        IOException? error = null;
        try
        {
            window = lane.Log.LoadWindow(_offset, _bytesMax);
        }
        catch (IOException e)
        {
            error = e;
        }
        catch (ObjectDisposedException)
        {
            // The store has been closed under a load that came too late: there is nothing left to deliver.
        }

        TaskCompletionSource? waiter;
        lock (queue.Gate)
        {
            IsRunning = false;
            waiter = _waiter;
            _waiter = null;
            if (window is not null)
            {
                if (queue.IsOpen)
                {
                    lane.Attach(window);
                }
                else
                {
                    window.Dispose();
                }
            }

            queue.LoadEnded(lane, error, isAwaited: waiter is not null);
        }

        waiter?.TrySetResult();
    }
}
