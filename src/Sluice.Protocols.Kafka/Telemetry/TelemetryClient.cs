using System.Buffers.Text;
using System.Globalization;
using System.Net;

namespace Sluice.Protocols.Kafka.Telemetry;

/// <summary>A client instance as subscriptions see it.</summary>
/// <param name="InstanceId">Given by a broker, kept by the client for its life.</param>
/// <param name="ClientId">Null if it gives none.</param>
/// <param name="SoftwareName">As it has said when it asked for versions.</param>
/// <param name="SoftwareVersion">The same.</param>
/// <param name="EndPoint">From where it comes.</param>
internal sealed record TelemetryClient(Guid InstanceId, string? ClientId, string SoftwareName, string SoftwareVersion, IPEndPoint EndPoint)
{
    private const int TextCharsMax = 256;

    /// <summary>What is remembered of a text that a client says of itself: clients may send very long ones.</summary>
    public static string Cut(string text) => text.Length <= TextCharsMax ? text : text[..TextCharsMax];

    /// <summary>What subscriptions can choose clients by.</summary>
    public static IReadOnlyList<string> AttributeNames { get; } = ["client_instance_id", "client_id", "client_software_name", "client_software_version", "client_source_address", "client_source_port"];

    /// <summary>The instance's id as Kafka writes ids.</summary>
    public string Id => Base64Url.EncodeToString(InstanceId.ToByteArray(bigEndian: true));

    /// <summary>Null if the client has none.</summary>
    public string? Attribute(string name) => name switch
    {
        "client_instance_id" => Id,
        "client_id" => ClientId,
        "client_software_name" => SoftwareName,
        "client_software_version" => SoftwareVersion,
        "client_source_address" => EndPoint.Address.ToString(),
        "client_source_port" => EndPoint.Port.ToString(CultureInfo.InvariantCulture),
        _ => null,
    };
}
