using Sluice.Base.Scheduling;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>
/// What one operation on a shard's groups leads to: records to append, and answers that are given when they are kept. Filled under the shard's lock, completed without it, and
/// not on the thread that writes the journal: whoever waits for an answer goes on with its request where it is given.
/// </summary>
/// <param name="scheduler">Where answers are given that have waited for the journal.</param>
internal sealed class GroupTurn(IScheduler scheduler) : IDurabilityListener, IThreadPoolWorkItem
{
    private readonly List<(Action Give, Action<KafkaErrorCode> Refuse)> _answers = [];
    private readonly List<GroupRecord> _records = [];

    /// <summary>To be appended, in this order.</summary>
    public IReadOnlyList<GroupRecord> Records => _records;

    /// <summary>Of whose transaction the records are a part, if of any.</summary>
    public BatchProducer Producer { get; init; } = BatchProducer.None;

    /// <summary>The answers tell what earlier operations have done, so those must be kept too.</summary>
    public bool TellsOfEarlier { get; set; }

    /// <summary>What it emitted could not be appended, or will never be kept.</summary>
    public bool HasFailed { get; set; }

    public void Emit(GroupRecord record) => _records.Add(record);

    public void Answer<T>(GroupAnswer<T> answer, T response) => _answers.Add((() => answer.Give(response), answer.Refuse));

    void IDurabilityListener.OnKept(JournalPosition through) => Post();

    void IDurabilityListener.OnFailed(Exception error)
    {
        HasFailed = true;
        Post();
    }

    void IThreadPoolWorkItem.Execute()
    {
        if (HasFailed)
        {
            Refuse();
        }
        else
        {
            Give();
        }
    }

    /// <summary>There is nothing to wait for.</summary>
    public void Give()
    {
        foreach ((Action give, _) in _answers)
        {
            give();
        }
    }

    /// <summary>What was done is not kept and never will be: clients are told to look for another coordinator, as Kafka tells them when its disk fails.</summary>
    public void Refuse()
    {
        foreach ((_, Action<KafkaErrorCode> refuse) in _answers)
        {
            refuse(KafkaErrorCode.NotCoordinator);
        }
    }

    private void Post()
    {
        if (_answers.Count > 0)
        {
            scheduler.Post(this);
        }
    }
}
