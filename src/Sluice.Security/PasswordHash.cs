namespace Sluice.Security;

/// <summary>How a password was hashed. Persisted: values only grow.</summary>
public enum PasswordAlgorithm
{
    /// <summary>PBKDF2 with HMAC-SHA-256. What Sluice writes.</summary>
    Pbkdf2Sha256 = 1,

    /// <summary>RabbitMQ's default: SHA-256 of a 4 byte salt and the password. Imported only.</summary>
    RabbitSha256 = 2,

    /// <summary>RabbitMQ's rabbit_password_hashing_sha512. Imported only.</summary>
    RabbitSha512 = 3,
}

/// <summary>A salted password hash. Immutable.</summary>
public sealed class PasswordHash
{
    public PasswordAlgorithm Algorithm => throw new NotImplementedException();

    /// <summary>Hashes with a fresh salt. Takes tens of milliseconds of CPU by design.</summary>
    public static PasswordHash Create(ReadOnlySpan<byte> utf8Password) => throw new NotImplementedException();

    /// <summary>Takes over RabbitMQ's <c>password_hash</c> (base64 of salt and hash) and <c>hashing_algorithm</c>.</summary>
    /// <exception cref="FormatException">Not such a hash, or an algorithm that is not supported.</exception>
    public static PasswordHash ImportRabbit(string base64Hash, string? hashingAlgorithm) => throw new NotImplementedException();

    /// <summary>Compares in constant time. As dear as <see cref="Create"/> for PBKDF2.</summary>
    public bool Verify(ReadOnlySpan<byte> utf8Password) => throw new NotImplementedException();
}
