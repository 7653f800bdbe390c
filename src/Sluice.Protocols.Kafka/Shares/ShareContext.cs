using Microsoft.Extensions.Logging;
using Sluice.Base.Buffers;
using Sluice.Base.Scheduling;
using Sluice.Protocols.Kafka.Groups;
using Sluice.Protocols.Kafka.Groups.Configs;
using Sluice.Storage;

namespace Sluice.Protocols.Kafka.Shares;

/// <summary>What the shards of share groups' positions work with.</summary>
/// <param name="Store">Where all is kept.</param>
/// <param name="Promise">Of what members have settled.</param>
/// <param name="Topics">Those that groups may read.</param>
/// <param name="Configs">What groups were configured to.</param>
/// <param name="Buffers">For the work.</param>
/// <param name="Scheduler">Where answers are given that have waited for the journal.</param>
/// <param name="Clock">For locks, and times in records.</param>
/// <param name="Logger">For operators.</param>
internal sealed record ShareContext(LogStore Store, Durability Promise, IGroupTopics Topics, GroupConfigs Configs, BufferPool Buffers, IScheduler Scheduler, TimeProvider Clock, ILogger Logger)
{
    /// <summary>Unix time.</summary>
    public long NowMs => Clock.GetUtcNow().ToUnixTimeMilliseconds();
}
