using Microsoft.Extensions.Logging;
using Sluice.Base.Buffers;
using Sluice.Broker;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Groups.Offsets;
using Sluice.Storage;

namespace Sluice.Protocols.Kafka.Transactions;

/// <summary>What the shards of transactional ids work with.</summary>
/// <param name="Options">Settings.</param>
/// <param name="Store">Where all is kept.</param>
/// <param name="Promise">Of what is kept of transactions.</param>
/// <param name="Markers">Ends transactions.</param>
/// <param name="Host">Whose topics clients see; null while there is none.</param>
/// <param name="Buffers">For the work.</param>
/// <param name="Clock">For times in records.</param>
/// <param name="Logger">For operators.</param>
internal sealed record TransactionContext(TransactionOptions Options, LogStore Store, Durability Promise, TransactionMarkers Markers, Func<VirtualHost?> Host, BufferPool Buffers, TimeProvider Clock, ILogger Logger)
{
    /// <summary>Unix time.</summary>
    public long NowMs => Clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>The partitions of these that there are still.</summary>
    public IReadOnlyCollection<TopicPartition> Resolve(IEnumerable<TopicIndex> partitions) =>
        [.. partitions.Select(key => Host()?.FindTopic(key.Topic)?.FindPartition(key.Partition)).OfType<TopicPartition>().Where(static partition => partition.IsOpen)];
}
