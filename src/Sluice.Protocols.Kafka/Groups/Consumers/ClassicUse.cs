using Sluice.Protocols.Kafka.Wire.Messages;

namespace Sluice.Protocols.Kafka.Groups.Consumers;

/// <summary>What a member of a consumer group has said that speaks the classic protocol still. Never changes.</summary>
/// <param name="sessionTimeoutMs">It has chosen that itself.</param>
/// <param name="protocols">What it can do, in the order of its preference; at least one.</param>
internal sealed class ClassicUse(int sessionTimeoutMs, IReadOnlyList<JoinGroupRequest.JoinGroupRequestProtocol> protocols)
{
    public int SessionTimeoutMs => sessionTimeoutMs;

    public IReadOnlyList<JoinGroupRequest.JoinGroupRequestProtocol> Protocols => protocols;

    /// <summary>The protocol by whose name it is answered and whose subscription counts.</summary>
    public JoinGroupRequest.JoinGroupRequestProtocol First => protocols[0];

    /// <summary>As a record says; null: the member uses the consumer protocol.</summary>
    public static ClassicUse? Of(ConsumerGroupMemberMetadataValue.ClassicMember? value) => value is not { SupportedProtocols.Length: > 0 } ? null : new ClassicUse(
        value.SessionTimeoutMs,
        [.. value.SupportedProtocols.Select(static protocol => new JoinGroupRequest.JoinGroupRequestProtocol { Name = protocol.Name, Metadata = protocol.Metadata })]);

    /// <summary>What <see cref="Of"/> reads.</summary>
    public ConsumerGroupMemberMetadataValue.ClassicMember ToValue() => new()
    {
        SessionTimeoutMs = sessionTimeoutMs,
        SupportedProtocols = [.. protocols.Select(static protocol => new ConsumerGroupMemberMetadataValue.ClassicProtocol { Name = protocol.Name, Metadata = protocol.Metadata })],
    };

    public bool IsSame(ClassicUse? other) =>
        other is not null && other.SessionTimeoutMs == sessionTimeoutMs && other.Protocols.Count == protocols.Count
        && protocols.Zip(other.Protocols).All(static pair => pair.First.Name == pair.Second.Name && pair.First.Metadata.Span.SequenceEqual(pair.Second.Metadata.Span));
}
