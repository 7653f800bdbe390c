using Microsoft.Extensions.Logging;
using Sluice.Base.Buffers;
using Sluice.Protocols.Kafka.Groups.Configs;

namespace Sluice.Protocols.Kafka.Groups;

/// <summary>What the groups of one shard work with.</summary>
/// <param name="Options">Settings.</param>
/// <param name="Timers">The shard's.</param>
/// <param name="Topics">Those that groups may read.</param>
/// <param name="Configs">What groups were configured to.</param>
/// <param name="Buffers">For what is written to members.</param>
/// <param name="Clock">For times in records.</param>
/// <param name="Logger">For operators.</param>
/// <param name="NewId">Makes ids that nobody can guess.</param>
internal sealed record GroupContext(GroupOptions Options, GroupTimers Timers, IGroupTopics Topics, GroupConfigs Configs, BufferPool Buffers, TimeProvider Clock, ILogger Logger, Func<Guid> NewId)
{
    /// <summary>Unix time.</summary>
    public long NowMs => Clock.GetUtcNow().ToUnixTimeMilliseconds();
}

/// <summary>Who sends a request to a group.</summary>
/// <param name="Id">The client's name for itself.</param>
/// <param name="Host">Its address, as Kafka's tools show it.</param>
internal readonly record struct GroupClient(string Id, string Host);

/// <summary>A topic as groups see it.</summary>
/// <param name="Name">Unique at one time.</param>
/// <param name="Id">Unique over all times.</param>
/// <param name="Partitions">How many there are.</param>
internal readonly record struct GroupTopic(string Name, Guid Id, int Partitions);

/// <summary>The topics that groups may read. Thread-safe.</summary>
internal interface IGroupTopics
{
    /// <summary>All there are.</summary>
    IEnumerable<GroupTopic> All { get; }

    /// <summary>Null if there is none of that name.</summary>
    GroupTopic? Find(string name);

    /// <summary>Null if there is none of that id.</summary>
    GroupTopic? Find(Guid id);
}
