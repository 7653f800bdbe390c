using Sluice.Client.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Client.Consuming;

/// <summary>The offsets that a group has committed.</summary>
internal sealed class GroupOffsets(ConsumerOptions options, CoordinatorClient coordinator)
{
    /// <summary>Commits offsets of the records to be read next.</summary>
    /// <exception cref="KafkaClientException">The group has moved on, or does not take them.</exception>
    public async Task CommitAsync(IReadOnlyCollection<TopicPartitionOffset> offsets, CommitIdentity identity, CancellationToken cancel)
    {
        if (offsets.Count == 0)
        {
            return;
        }

        var request = new OffsetCommitRequest
        {
            GroupId = options.GroupId!,
            MemberId = identity.MemberId,
            GenerationIdOrMemberEpoch = identity.Generation,
            GroupInstanceId = identity.InstanceId,
            Topics =
            [
                .. offsets.GroupBy(offset => offset.Partition.Topic).Select(topic => new OffsetCommitRequest.OffsetCommitRequestTopic
                {
                    Name = topic.Key,
                    Partitions = [.. topic.Select(offset => new OffsetCommitRequest.OffsetCommitRequestPartition { PartitionIndex = offset.Partition.Partition, CommittedOffset = offset.Offset, CommittedMetadata = "" })],
                }),
            ],
        };
        OffsetCommitResponse response = await coordinator.AskUntilAnsweredAsync<OffsetCommitResponse>(ApiUse.OffsetCommit, request, FirstError, cancel).ConfigureAwait(false);
        KafkaErrorCode code = FirstError(response);
        if (code != KafkaErrorCode.None)
        {
            string? hint = code is KafkaErrorCode.IllegalGeneration or KafkaErrorCode.UnknownMemberId or KafkaErrorCode.RebalanceInProgress or KafkaErrorCode.StaleMemberEpoch or KafkaErrorCode.FencedMemberEpoch
                ? "the group has given these partitions to others meanwhile"
                : null;
            throw KafkaClientException.Of(code, $"Committing offsets of the group '{options.GroupId}'", hint);
        }
    }

    /// <summary>What is committed for each of the partitions; those without are left out.</summary>
    public async Task<Dictionary<TopicPartition, long>> FetchAsync(IReadOnlyCollection<TopicPartition> partitions, CancellationToken cancel)
    {
        var request = new OffsetFetchRequest
        {
            GroupId = options.GroupId!,
            RequireStable = options.IsolationLevel == IsolationLevel.ReadCommitted,
            Topics = [.. partitions.GroupBy(partition => partition.Topic).Select(topic => new OffsetFetchRequest.OffsetFetchRequestTopic { Name = topic.Key, PartitionIndexes = [.. topic.Select(partition => partition.Partition)] })],
        };
        OffsetFetchResponse response = await coordinator.AskUntilAnsweredAsync<OffsetFetchResponse>(ApiUse.OffsetFetch, request, FirstError, cancel).ConfigureAwait(false);
        KafkaErrorCode code = FirstError(response);
        if (code != KafkaErrorCode.None)
        {
            throw KafkaClientException.Of(code, $"Asking for the offsets of the group '{options.GroupId}'");
        }

        return response.Topics
            .SelectMany(topic => topic.Partitions.Select(partition => (Partition: new TopicPartition(topic.Name, partition.PartitionIndex), partition.CommittedOffset)))
            .Where(entry => entry.CommittedOffset >= 0)
            .ToDictionary(entry => entry.Partition, entry => entry.CommittedOffset);
    }

    private static KafkaErrorCode FirstError(OffsetCommitResponse response) =>
        response.Topics.SelectMany(topic => topic.Partitions).Select(partition => partition.ErrorCode).FirstOrDefault(code => code != KafkaErrorCode.None);

    private static KafkaErrorCode FirstError(OffsetFetchResponse response) => response.ErrorCode != KafkaErrorCode.None
        ? response.ErrorCode
        : response.Topics.SelectMany(topic => topic.Partitions).Select(partition => partition.ErrorCode).FirstOrDefault(code => code != KafkaErrorCode.None);
}
