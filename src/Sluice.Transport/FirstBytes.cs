using System.Buffers.Binary;

namespace Sluice.Transport;

/// <summary>What a client seems to speak, by the first bytes it sends: for whoever has to tell its operator that it has come to the wrong port.</summary>
public static class FirstBytes
{
    /// <summary>As many bytes as it takes to tell.</summary>
    public const int Needed = 8;

    /// <summary>Names that <see cref="Protocol"/> gives.</summary>
    public const string Tls = "TLS", Http = "HTTP", Kafka = "Kafka's protocol", Amqp091 = "AMQP 0-9-1";

    private const byte TlsHandshake = 0x16, TlsMajorVersion = 3;

    // A request of Kafka's begins with its size, which does not count itself, the number of an API, and its version. First requests are short.
    private const int KafkaSizeBytes = 4, KafkaSizeMin = 8, KafkaSizeMax = 0x1_FFFF, KafkaApiMax = 127, KafkaVersionMax = 31;

    /// <summary>Whether it begins as every client that speaks TLS does. Of a single byte the most that can be said is said.</summary>
    public static bool AreTls(ReadOnlySpan<byte> bytes) => bytes.Length > 0 && bytes[0] == TlsHandshake && (bytes.Length == 1 || bytes[1] == TlsMajorVersion);

    /// <summary>The protocol's name; null: none that is known by its beginning, or too little to tell.</summary>
    public static string? Protocol(ReadOnlySpan<byte> bytes) =>
        AreTls(bytes) ? Tls
        : bytes.StartsWith("AMQP"u8) ? AmqpVersion(bytes)
        : AreHttp(bytes) ? Http
        : AreKafka(bytes) ? Kafka
        : null;

    private static bool AreHttp(ReadOnlySpan<byte> bytes) =>
        bytes.StartsWith("GET "u8) || bytes.StartsWith("POST"u8) || bytes.StartsWith("PUT "u8) || bytes.StartsWith("HEAD"u8) || bytes.StartsWith("PRI "u8)
        || bytes.StartsWith("DELE"u8) || bytes.StartsWith("OPTI"u8) || bytes.StartsWith("CONN"u8);

    private static bool AreKafka(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= Needed
        && BinaryPrimitives.ReadInt32BigEndian(bytes) is >= KafkaSizeMin and <= KafkaSizeMax
        && BinaryPrimitives.ReadInt16BigEndian(bytes[KafkaSizeBytes..]) is >= 0 and <= KafkaApiMax
        && BinaryPrimitives.ReadInt16BigEndian(bytes[(KafkaSizeBytes + sizeof(short))..]) is >= 0 and <= KafkaVersionMax;

    /// <summary>The last four octets of a protocol header: a class of protocols and its version before 1.0; what is layered and the version since.</summary>
    private static string AmqpVersion(ReadOnlySpan<byte> header) => header.Length < Needed ? "AMQP" : header[4..Needed] switch
    {
        [0, 0, 9, 1] => Amqp091,
        [0 or 2 or 3, 1, 0, 0] => "AMQP 1.0",
        [1, 1, 0, 10] => "AMQP 0-10",
        [1, 1, 0, 9] or [1, 1, 9, _] => "AMQP 0-9",
        [1, 1, 8, 0] => "AMQP 0-8",
        _ => "an unknown version of AMQP",
    };
}
