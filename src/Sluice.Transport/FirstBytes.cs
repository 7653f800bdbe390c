namespace Sluice.Transport;

/// <summary>What a client seems to speak, by the first bytes it sends: for whoever has to tell its operator that it has come to the wrong port.</summary>
public static class FirstBytes
{
    /// <summary>As many bytes as it takes to tell.</summary>
    public const int Needed = 4;

    private const byte TlsHandshake = 0x16, TlsMajorVersion = 3;

    /// <summary>Whether it begins as every client that speaks TLS does. Of a single byte the most that can be said is said.</summary>
    public static bool AreTls(ReadOnlySpan<byte> bytes) => bytes.Length > 0 && bytes[0] == TlsHandshake && (bytes.Length == 1 || bytes[1] == TlsMajorVersion);

    /// <summary>The protocol's name; null: none that is known by its beginning.</summary>
    public static string? Protocol(ReadOnlySpan<byte> bytes) =>
        AreTls(bytes) ? "TLS"
        : bytes.StartsWith("AMQP"u8) ? "AMQP"
        : bytes.StartsWith("GET "u8) || bytes.StartsWith("POST"u8) || bytes.StartsWith("PUT "u8) || bytes.StartsWith("HEAD"u8) || bytes.StartsWith("PRI "u8) ? "HTTP"
        : bytes.Length >= Needed && bytes[0] == 0 && bytes[1] <= 1 ? "Kafka's protocol"
        : null;
}
