using Microsoft.Extensions.Logging;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Storage;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>
/// A request that reads what there is, and if that is too little waits for appends until the client's time is over. Reads where the connection is served as long as all is in
/// memory, else where blocking is no harm. Attempts never overlap. What the journal has not written yet is not there for it: see <see cref="ReadableEnd"/>.
/// </summary>
internal abstract class LongPoll(KafkaRequest request, int maxWaitMs) : IPartitionListener, IDurabilityListener, IThreadPoolWorkItem
{
    private readonly List<TopicPartition> _watched = [];
    private readonly Lock _sync = new();
    private ITimer? _timer;
    private CancellationTokenRegistration _registration;
    private volatile bool _isTimeOver;
    private bool _isDone;
    private bool _isActive = true;
    private bool _isWantedAgain;
    private bool _isToBlock;
    private bool _isWaiting;
    private JournalPosition _unwritten;
    private volatile bool _isWriteAwaited;
    private volatile bool _isWritten;

    protected KafkaRequest Request => request;

    protected KafkaServer Server => request.Server;

    public void Start()
    {
        _isTimeOver = maxWaitMs <= 0;
        Guarded(static poll => poll.TryAttempt());
    }

    /// <summary>Something was appended. Under the partition's lock.</summary>
    void IPartitionListener.OnChanged(TopicPartition partition) => Post();

    /// <summary>The journal has written what an attempt could not read.</summary>
    void IDurabilityListener.OnKept(JournalPosition through)
    {
        _isWritten = true;
        _isWriteAwaited = false;
        Post();
    }

    /// <summary>It never will; without it, all can be read that is there.</summary>
    void IDurabilityListener.OnFailed(Exception error)
    {
        _isWritten = true;
        _isWriteAwaited = false;
        Post();
    }

    void IThreadPoolWorkItem.Execute()
    {
        if (_isToBlock)
        {
            Guarded(static poll => poll.Attempt());
        }
        else
        {
            Guarded(static poll => poll.TryAttempt());
        }
    }

    /// <summary>Whether an attempt would not wait for a disk.</summary>
    protected abstract bool IsInMemory();

    /// <summary>Reads and answers; false if it is worth waiting for more.</summary>
    /// <param name="isOver">It is not, whatever there is.</param>
    protected abstract bool TryAnswer(bool isOver);

    /// <summary>The partitions whose appends are waited for.</summary>
    protected abstract IEnumerable<TopicPartition> Watched();

    /// <summary>How far the partition may be read. If it has more that is not written yet, and the attempt does not answer, there is another when it is.</summary>
    protected LogEnd ReadableEnd(TopicPartition partition)
    {
        LogEnd end = partition.FindReadableEnd(out JournalPosition unwritten);
        _unwritten = JournalPosition.Max(_unwritten, unwritten);
        return end;
    }

    /// <summary>Another attempt is worth its while. Any thread, under any lock.</summary>
    protected void Post()
    {
        lock (_sync)
        {
            if (_isDone || _isActive)
            {
                _isWantedAgain = true;
                return;
            }

            _isActive = true;
        }

        request.Connection.Client.Post(this);
    }

    /// <summary>From now on everything is heard of that is waited for.</summary>
    protected virtual void Watch()
    {
        foreach (TopicPartition partition in Watched())
        {
            partition.AddListener(this);
            _watched.Add(partition);
        }

        _timer = Server.Clock.CreateTimer(static state => ((LongPoll)state!).OnTimer(), this, TimeSpan.FromMilliseconds(maxWaitMs), Timeout.InfiniteTimeSpan);
        _registration = request.Connection.Ended.UnsafeRegister(static state => ((LongPoll)state!).Post(), this);
    }

    /// <summary>The request is answered.</summary>
    protected virtual void Finish()
    {
        lock (_sync)
        {
            _isDone = true;
        }

        _timer?.Dispose();
        _registration.Unregister();
        foreach (TopicPartition partition in _watched)
        {
            partition.RemoveListener(this);
        }
    }

    /// <summary>The request cannot be answered, by an error of the broker.</summary>
    protected virtual void Fail(Exception error)
    {
        Server.Logger.LogError(error, "Connection {Connection}: {Api} failed", request.Connection.Client.Name, request.Api.Name);
        request.Connection.Client.Abort($"{request.Api.Name} failed by an error of the broker");
    }

    /// <summary>Nobody above catches what goes wrong: on the threads where this runs it would end the process.</summary>
    private void Guarded(Action<LongPoll> step)
    {
        try
        {
            step(this);
        }
#pragma warning disable CA1031 // Whatever is wrong with one request must not touch other connections.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Finish();
            Fail(error);
        }
    }

    private void OnTimer()
    {
        _isTimeOver = true;
        Post();
    }

    /// <summary>Attempts it here if that does not wait for a disk.</summary>
    private void TryAttempt()
    {
        if (IsInMemory())
        {
            Attempt();
        }
        else
        {
            _isToBlock = true;
            Server.Scheduler.Post(this);
        }
    }

    private void Attempt()
    {
        _isToBlock = false;
        lock (_sync)
        {
            _isWantedAgain = false;
        }

        // What was appended before the request came is there for it, however short it would wait: as soon as it is written.
        bool isOver = (_isTimeOver && _isWritten) || request.Connection.Ended.IsCancellationRequested;
        _unwritten = JournalPosition.None;
        bool isAnswered = TryAnswer(isOver);
        if (!isAnswered && _isTimeOver && _unwritten.Value == 0)
        {
            isAnswered = TryAnswer(isOver: true);
        }

        if (!isAnswered && !_isWaiting)
        {
            // What is appended from here on is heard of; what was appended before is seen by another look.
            _isWaiting = true;
            Watch();
            isAnswered = TryAnswer(isOver);
        }

        if (isAnswered)
        {
            Finish();
            return;
        }

        if (_unwritten.Value > 0 && !_isWriteAwaited)
        {
            _isWriteAwaited = true;
            Server.Broker.Store.NotifyWhenKept(_unwritten, Durability.OperatingSystem, this);
        }

        bool isWantedAgain;
        lock (_sync)
        {
            isWantedAgain = _isActive = _isWantedAgain;
        }

        if (isWantedAgain)
        {
            request.Connection.Client.Post(this);
        }
    }
}
