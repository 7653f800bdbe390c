using System.Security.Cryptography;

namespace Sluice.Security.Sasl;

/// <summary>The hashes of SCRAM. The numbers are Kafka's on the wire, and persisted: values only grow.</summary>
public enum ScramMechanism
{
    /// <summary>SCRAM-SHA-256 (RFC 7677).</summary>
    Sha256 = 1,

    /// <summary>SCRAM-SHA-512.</summary>
    Sha512 = 2,
}

/// <summary>Names and hash functions of <see cref="ScramMechanism"/>.</summary>
public static class ScramMechanisms
{
    /// <summary>Every one.</summary>
    public static IReadOnlyList<ScramMechanism> All { get; } = [ScramMechanism.Sha256, ScramMechanism.Sha512];

    /// <summary>What SASL calls it.</summary>
    public static string Name(this ScramMechanism mechanism) => mechanism == ScramMechanism.Sha256 ? "SCRAM-SHA-256" : "SCRAM-SHA-512";

    /// <summary>The one of a name of SASL; null if it is another.</summary>
    public static ScramMechanism? Find(string name) => All.Where(mechanism => mechanism.Name() == name).Select(static mechanism => (ScramMechanism?)mechanism).FirstOrDefault();

    internal static int HashBytes(this ScramMechanism mechanism) => mechanism == ScramMechanism.Sha256 ? SHA256.HashSizeInBytes : SHA512.HashSizeInBytes;

    internal static byte[] Hash(this ScramMechanism mechanism, ReadOnlySpan<byte> data) => mechanism == ScramMechanism.Sha256 ? SHA256.HashData(data) : SHA512.HashData(data);

    internal static byte[] Hmac(this ScramMechanism mechanism, ReadOnlySpan<byte> key, ReadOnlySpan<byte> data) =>
        mechanism == ScramMechanism.Sha256 ? HMACSHA256.HashData(key, data) : HMACSHA512.HashData(key, data);

    internal static byte[] SaltedPassword(this ScramMechanism mechanism, ReadOnlySpan<byte> password, ReadOnlySpan<byte> salt, int iterations) =>
        Rfc2898DeriveBytes.Pbkdf2(password, salt, iterations, mechanism == ScramMechanism.Sha256 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA512, mechanism.HashBytes());
}
