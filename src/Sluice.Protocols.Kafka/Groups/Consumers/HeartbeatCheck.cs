using Sluice.Protocols.Kafka.Groups.Consumers.Assignors;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>What can be said of a ConsumerGroupHeartbeat without looking at its group.</summary>
internal static class HeartbeatCheck
{
    private const short ClientsChooseIds = 1;

    /// <summary>Those that members may ask for; the first is the one of members that don't.</summary>
    public static IReadOnlyList<IPartitionAssignor> Assignors { get; } = [new UniformAssignor(), new RangeAssignor()];

    /// <summary>The refusal; null: it may go on.</summary>
    public static ConsumerGroupHeartbeatResponse? Refusal(ConsumerGroupHeartbeatRequest request, short version)
    {
        if (Problem(request, version) is { } problem)
        {
            return Refused(KafkaErrorCode.InvalidRequest, problem);
        }

        if (request.ServerAssignor is { } assignor && Assignors.All(known => known.Name != assignor))
        {
            return Refused(KafkaErrorCode.UnsupportedAssignor, $"ServerAssignor {assignor} is not supported. Supported assignors: {string.Join(", ", Assignors.Select(static known => known.Name))}.");
        }

        return !string.IsNullOrEmpty(request.SubscribedTopicRegex) && LinearPattern.Problem(request.SubscribedTopicRegex) is { } wrong
            ? Refused(KafkaErrorCode.InvalidRegularExpression, $"SubscribedTopicRegex `{request.SubscribedTopicRegex}` is not a valid regular expression: {wrong}.")
            : null;
    }

    public static ConsumerGroupHeartbeatResponse Refused(KafkaErrorCode error, string message) => new() { ErrorCode = error, ErrorMessage = message };

    private static string? Problem(ConsumerGroupHeartbeatRequest request, short version) => request switch
    {
        { GroupId: "" } => "GroupId can't be empty.",
        { InstanceId: "" } => "InstanceId can't be empty.",
        { RackId: "" } => "RackId can't be empty.",
        { MemberEpoch: < ConsumerMember.LeavesForNow } => $"MemberEpoch is {request.MemberEpoch}.",
        { MemberId: "" } when request.MemberEpoch != 0 || version >= ClientsChooseIds => "MemberId can't be empty.",
        { MemberEpoch: ConsumerMember.LeavesForNow, InstanceId: null } => "InstanceId can't be null.",
        { MemberEpoch: 0, RebalanceTimeoutMs: -1 } => "RebalanceTimeoutMs must be provided in first request.",
        { MemberEpoch: 0, TopicPartitions: not { Length: 0 } } => "TopicPartitions must be empty when (re-)joining.",
        { MemberEpoch: 0, SubscribedTopicNames: null or { Length: 0 }, SubscribedTopicRegex: null or "" } => "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        _ => null,
    };
}
