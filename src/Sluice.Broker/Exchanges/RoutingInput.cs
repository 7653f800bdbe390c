using Sluice.Broker.Messages;

namespace Sluice.Broker.Exchanges;

/// <summary>What exchanges look at to route one message. Borrowed for the length of the call.</summary>
public ref struct RoutingInput
{
    /// <summary>The routing key, UTF-8.</summary>
    public ReadOnlySpan<byte> RoutingKey;

    /// <summary>More routing keys (AMQP's CC and BCC); null for none. Each exchange routes by all keys before its alternate exchange is considered.</summary>
    public IReadOnlyList<byte[]>? ExtraRoutingKeys;

    /// <summary>The message's headers; null if it has none.</summary>
    public IMessageHeaders? Headers;

    /// <summary>The publisher's property bytes, for exchanges that hash a property.</summary>
    public ReadOnlySpan<byte> Properties;

    /// <summary>Understands <see cref="Properties"/>; null if the message has no properties of a protocol.</summary>
    public IPropertiesReader? PropertiesReader;

    /// <summary>The message asks for a delay that has not passed yet: delayed exchanges then take it themselves instead of routing it.</summary>
    public bool IsDelayed;
}
