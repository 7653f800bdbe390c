using System.Globalization;
using System.Security.Cryptography;

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
    /// <summary>Rounds of PBKDF2 for new hashes: some tens of milliseconds of CPU for each guess.</summary>
    public const int DefaultIterations = 120_000;

    private const int Pbkdf2SaltBytes = 16;
    private const int RabbitSaltBytes = 4;
    private const int IterationsMax = 10_000_000;

    private readonly byte[] _salt;
    private readonly byte[] _hash;

    private PasswordHash(PasswordAlgorithm algorithm, int iterations, byte[] salt, byte[] hash)
    {
        Algorithm = algorithm;
        Iterations = iterations;
        _salt = salt;
        _hash = hash;
    }

    public PasswordAlgorithm Algorithm { get; }

    /// <summary>Rounds of PBKDF2; 0 for imported hashes.</summary>
    public int Iterations { get; }

    /// <summary>Hashes with a fresh salt. Takes tens of milliseconds of CPU by design.</summary>
    public static PasswordHash Create(ReadOnlySpan<byte> utf8Password, int iterations = DefaultIterations)
    {
        byte[] salt = RandomNumberGenerator.GetBytes(Pbkdf2SaltBytes);
        return new PasswordHash(PasswordAlgorithm.Pbkdf2Sha256, iterations, salt, Pbkdf2(utf8Password, salt, iterations));
    }

    /// <summary>Takes over RabbitMQ's <c>password_hash</c> (base64 of salt and hash) and <c>hashing_algorithm</c>.</summary>
    /// <exception cref="FormatException">Not such a hash, or an algorithm that is not supported.</exception>
    public static PasswordHash ImportRabbit(string base64Hash, string? hashingAlgorithm)
    {
        (PasswordAlgorithm algorithm, int size) = hashingAlgorithm switch
        {
            null or "" or "rabbit_password_hashing_sha256" => (PasswordAlgorithm.RabbitSha256, SHA256.HashSizeInBytes),
            "rabbit_password_hashing_sha512" => (PasswordAlgorithm.RabbitSha512, SHA512.HashSizeInBytes),
            _ => throw new FormatException($"The password hashing algorithm '{hashingAlgorithm}' is not supported: use rabbit_password_hashing_sha256 or rabbit_password_hashing_sha512."),
        };
        byte[] bytes = FromBase64(base64Hash);
        return bytes.Length == RabbitSaltBytes + size
            ? new PasswordHash(algorithm, 0, bytes[..RabbitSaltBytes], bytes[RabbitSaltBytes..])
            : throw new FormatException($"A password hash has {bytes.Length} bytes where a salt of {RabbitSaltBytes} and a hash of {size} are expected.");
    }

    /// <summary>Reads what <see cref="Encode"/> wrote.</summary>
    /// <exception cref="FormatException">It is something else.</exception>
    public static PasswordHash Parse(string encoded)
    {
        string[] parts = encoded.Split('$');
        return parts switch
        {
            ["pbkdf2-sha256", var rounds, var salt, var hash] when int.TryParse(rounds, CultureInfo.InvariantCulture, out int iterations) && iterations is > 0 and <= IterationsMax =>
                new PasswordHash(PasswordAlgorithm.Pbkdf2Sha256, iterations, FromBase64(salt), FromBase64(hash)),
            ["rabbit-sha256", var salt, var hash] => new PasswordHash(PasswordAlgorithm.RabbitSha256, 0, FromBase64(salt), FromBase64(hash)),
            ["rabbit-sha512", var salt, var hash] => new PasswordHash(PasswordAlgorithm.RabbitSha512, 0, FromBase64(salt), FromBase64(hash)),
            _ => throw new FormatException("Not a password hash in a form that is known here."),
        };
    }

    /// <summary>One line of text with the algorithm, its parameters, the salt and the hash.</summary>
    public string Encode()
    {
        string salt = Convert.ToBase64String(_salt);
        string hash = Convert.ToBase64String(_hash);
        return Algorithm switch
        {
            PasswordAlgorithm.Pbkdf2Sha256 => string.Create(CultureInfo.InvariantCulture, $"pbkdf2-sha256${Iterations}${salt}${hash}"),
            PasswordAlgorithm.RabbitSha256 => $"rabbit-sha256${salt}${hash}",
            _ => $"rabbit-sha512${salt}${hash}",
        };
    }

    /// <summary>Compares in constant time. As dear as <see cref="Create"/> for PBKDF2.</summary>
    public bool Verify(ReadOnlySpan<byte> utf8Password)
    {
        byte[] actual = Algorithm switch
        {
            PasswordAlgorithm.Pbkdf2Sha256 => Pbkdf2(utf8Password, _salt, Iterations),
            PasswordAlgorithm.RabbitSha256 => SHA256.HashData([.. _salt, .. utf8Password]),
            _ => SHA512.HashData([.. _salt, .. utf8Password]),
        };
        return CryptographicOperations.FixedTimeEquals(actual, _hash);
    }

    private static byte[] Pbkdf2(ReadOnlySpan<byte> password, byte[] salt, int iterations) =>
        Rfc2898DeriveBytes.Pbkdf2(password, salt, iterations, HashAlgorithmName.SHA256, SHA256.HashSizeInBytes);

    private static byte[] FromBase64(string text)
    {
        try
        {
            return Convert.FromBase64String(text);
        }
        catch (FormatException error)
        {
            throw new FormatException("A password hash is not valid base64.", error);
        }
    }
}
