using Sluice.Broker.Shares;
using Sluice.Broker.Topics;
using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Shares;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>What a request says of the records of one partition.</summary>
/// <param name="TopicId">The topic.</param>
/// <param name="Index">The partition.</param>
/// <param name="Batches">What it says.</param>
internal readonly record struct ShareAcknowledgement(Guid TopicId, int Index, IReadOnlyList<Acknowledgement> Batches)
{
    public static ShareAcknowledgement Of(Guid topicId, ShareFetchRequest.FetchPartition partition) =>
        new(topicId, partition.PartitionIndex, [.. partition.AcknowledgementBatches.Select(static batch => new Acknowledgement(batch.FirstOffset, batch.LastOffset, batch.AcknowledgeTypes))]);

    public static ShareAcknowledgement Of(Guid topicId, ShareAcknowledgeRequest.AcknowledgePartition partition) =>
        new(topicId, partition.PartitionIndex, [.. partition.AcknowledgementBatches.Select(static batch => new Acknowledgement(batch.FirstOffset, batch.LastOffset, batch.AcknowledgeTypes))]);
}

/// <summary>What members say becomes of records, as ShareAcknowledge has it and ShareFetch may have it.</summary>
internal static class ShareAcknowledgements
{
    private const int KnowsRenew = 2;

    /// <summary>Passes it on, and says for each partition what became of it; done when all is kept.</summary>
    public static async Task<(Guid TopicId, int Index, KafkaErrorCode Error)[]> HandleAsync(KafkaRequest request, string groupId, string memberId, bool isRenewal, IEnumerable<ShareAcknowledgement> all)
    {
        // All are begun before one is awaited, so that what follows finds them done.
        var running = all.Select(one => (one.TopicId, one.Index, Outcome: HandleAsync(request, groupId, memberId, isRenewal, one))).ToArray();
        var outcomes = new (Guid, int, KafkaErrorCode)[running.Length];
        for (int i = 0; i < running.Length; i++)
        {
            outcomes[i] = (running[i].TopicId, running[i].Index, await running[i].Outcome.ConfigureAwait(false));
        }

        return outcomes;
    }

    private static async Task<KafkaErrorCode> HandleAsync(KafkaRequest request, string groupId, string memberId, bool isRenewal, ShareAcknowledgement one)
    {
        Topic? topic = request.Server.Host?.FindTopic(one.TopicId);
        KafkaErrorCode error = topic is null ? KafkaErrorCode.UnknownTopicId
            : !AreValid(one.Batches, request.Version, isRenewal) ? KafkaErrorCode.InvalidRequest
            : !request.AllowsTopic(AclOperation.Read, topic.Name) ? KafkaErrorCode.TopicAuthorizationFailed
            : topic.FindPartition(one.Index) is null ? KafkaErrorCode.UnknownTopicOrPartition
            : KafkaErrorCode.None;
        return error != KafkaErrorCode.None || one.Batches.Count == 0 ? error
            : await request.Server.Shares.AcknowledgeAsync(groupId, memberId, topic!.FindPartition(one.Index)!, one.Batches).ConfigureAwait(false);
    }

    /// <summary>Whether batches are in order, each with one kind for all its offsets or one for each.</summary>
    private static bool AreValid(IReadOnlyList<Acknowledgement> batches, short version, bool isRenewal)
    {
        AcknowledgeType last = version >= KnowsRenew ? AcknowledgeType.Renew : AcknowledgeType.Reject;
        long before = -1;
        foreach (Acknowledgement batch in batches)
        {
            if (batch.First > batch.Last || batch.First < before || batch.Types.Length == 0 || (batch.Types.Length > 1 && batch.Last - batch.First != batch.Types.Length - 1)
                || batch.Types.Any(type => type < 0 || type > (sbyte)last) || (!isRenewal && batch.Types.Contains((sbyte)AcknowledgeType.Renew)))
            {
                return false;
            }

            before = batch.Last;
        }

        return true;
    }
}
