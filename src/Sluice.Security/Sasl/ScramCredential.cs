using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;

namespace Sluice.Security.Sasl;

/// <summary>What a server keeps of a password for SCRAM (RFC 5802, section 3): enough to check who knows it, not enough to log in with. Immutable.</summary>
public sealed class ScramCredential
{
    /// <summary>Fewest and most rounds, as Kafka has them.</summary>
    public const int IterationsMin = 4096, IterationsMax = 16_384;

    /// <summary>Rounds of credentials that are made of a password here.</summary>
    public const int IterationsDefault = IterationsMax;

    /// <summary>Longest salt that a credential may have, in bytes; it goes to everybody who begins a login with the name.</summary>
    public const int SaltBytesMax = 1024;

    private const int SaltBytes = 16;

    private readonly byte[] _salt;
    private readonly byte[] _storedKey;
    private readonly byte[] _serverKey;

    private ScramCredential(ScramMechanism mechanism, int iterations, byte[] salt, byte[] storedKey, byte[] serverKey)
    {
        Mechanism = mechanism;
        Iterations = iterations;
        _salt = salt;
        _storedKey = storedKey;
        _serverKey = serverKey;
    }

    public ScramMechanism Mechanism { get; }

    /// <summary>Rounds of PBKDF2 between the password and the keys.</summary>
    public int Iterations { get; }

    internal ReadOnlySpan<byte> Salt => _salt;

    internal ReadOnlySpan<byte> StoredKey => _storedKey;

    internal ReadOnlySpan<byte> ServerKey => _serverKey;

    /// <summary>Of a password, with a fresh salt, for every mechanism. Takes some tens of milliseconds of CPU by design.</summary>
    public static ImmutableArray<ScramCredential> DeriveAll(ReadOnlySpan<byte> utf8Password)
    {
        ImmutableArray<ScramCredential>.Builder credentials = ImmutableArray.CreateBuilder<ScramCredential>(ScramMechanisms.All.Count);
        foreach (ScramMechanism mechanism in ScramMechanisms.All)
        {
            byte[] salt = RandomNumberGenerator.GetBytes(SaltBytes);
            credentials.Add(FromSaltedPassword(mechanism, IterationsDefault, salt, mechanism.Algorithm().SaltedPassword(utf8Password, salt, IterationsDefault)));
        }

        return credentials.MoveToImmutable();
    }

    /// <summary>Of what a client or tool has made of the password: PBKDF2 of it with the salt and rounds.</summary>
    public static ScramCredential FromSaltedPassword(ScramMechanism mechanism, int iterations, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> saltedPassword) => new(
        mechanism,
        iterations,
        salt.ToArray(),
        mechanism.Algorithm().StoredKey(mechanism.Algorithm().ClientKey(saltedPassword)),
        mechanism.Algorithm().ServerKey(saltedPassword));

    /// <summary>Reads what <see cref="Encode"/> wrote.</summary>
    /// <exception cref="FormatException">It is something else.</exception>
    public static ScramCredential Parse(string encoded) =>
        encoded.Split('$') is [var name, var rounds, var salt, var stored, var server]
        && ScramMechanisms.Find(name) is { } mechanism
        && int.TryParse(rounds, NumberStyles.None, CultureInfo.InvariantCulture, out int iterations)
        && (Convert.FromBase64String(salt), Convert.FromBase64String(stored), Convert.FromBase64String(server)) is var (saltBytes, storedKey, serverKey)
        && saltBytes.Length is > 0 and <= SaltBytesMax
        && storedKey.Length == mechanism.Algorithm().HashBytes
        && serverKey.Length == mechanism.Algorithm().HashBytes
            ? new ScramCredential(mechanism, iterations, saltBytes, storedKey, serverKey)
            : throw new FormatException("Not a SCRAM credential in a form that is known here.");

    /// <summary>Whether it is of this password. Takes some tens of milliseconds of CPU by design.</summary>
    internal bool IsOf(ReadOnlySpan<byte> utf8Password) =>
        CryptographicOperations.FixedTimeEquals(FromSaltedPassword(Mechanism, Iterations, _salt, Mechanism.Algorithm().SaltedPassword(utf8Password, _salt, Iterations))._storedKey, _storedKey);

    /// <summary>One line of text with the mechanism, the rounds, the salt and both keys.</summary>
    public string Encode() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Mechanism.Name()}${Iterations}${Convert.ToBase64String(_salt)}${Convert.ToBase64String(_storedKey)}${Convert.ToBase64String(_serverKey)}");
}
