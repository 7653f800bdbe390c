using System.Security.Cryptography;

namespace Sluice.Base.Sasl;

/// <summary>The keys and signatures of SCRAM (RFC 5802, section 3), for those who log in and those who check it. Immutable.</summary>
public sealed class ScramAlgorithm
{
    private readonly HashAlgorithmName _hash;

    private ScramAlgorithm(string name, HashAlgorithmName hash, int hashBytes)
    {
        Name = name;
        _hash = hash;
        HashBytes = hashBytes;
    }

    /// <summary>SCRAM-SHA-256 (RFC 7677).</summary>
    public static ScramAlgorithm Sha256 { get; } = new("SCRAM-SHA-256", HashAlgorithmName.SHA256, SHA256.HashSizeInBytes);

    /// <summary>SCRAM-SHA-512.</summary>
    public static ScramAlgorithm Sha512 { get; } = new("SCRAM-SHA-512", HashAlgorithmName.SHA512, SHA512.HashSizeInBytes);

    /// <summary>What SASL calls the mechanism.</summary>
    public string Name { get; }

    /// <summary>Of keys, signatures and proofs.</summary>
    public int HashBytes { get; }

    /// <summary>What takes time by design: PBKDF2 of the password.</summary>
    public byte[] SaltedPassword(ReadOnlySpan<byte> utf8Password, ReadOnlySpan<byte> salt, int iterations) => Rfc2898DeriveBytes.Pbkdf2(utf8Password, salt, iterations, _hash, HashBytes);

    public byte[] ClientKey(ReadOnlySpan<byte> saltedPassword) => Sign(saltedPassword, "Client Key"u8);

    public byte[] ServerKey(ReadOnlySpan<byte> saltedPassword) => Sign(saltedPassword, "Server Key"u8);

    /// <summary>What a server keeps of the client's key.</summary>
    public byte[] StoredKey(ReadOnlySpan<byte> clientKey) => CryptographicOperations.HashData(_hash, clientKey);

    /// <summary>The signature of what both sides have said, by a key of one of them.</summary>
    public byte[] Sign(ReadOnlySpan<byte> key, ReadOnlySpan<byte> said) => CryptographicOperations.HmacData(_hash, key, said);

    /// <summary>The client's proof: its key, covered by the signature that the stored key makes.</summary>
    public byte[] Proof(ReadOnlySpan<byte> clientKey, ReadOnlySpan<byte> said) => Cover(clientKey, Sign(StoredKey(clientKey), said));

    /// <summary>Whether a proof comes from somebody who has the client's key. Takes the same time for all proofs of the right length.</summary>
    public bool IsProof(ReadOnlySpan<byte> proof, ReadOnlySpan<byte> storedKey, ReadOnlySpan<byte> said) =>
        proof.Length == HashBytes && CryptographicOperations.FixedTimeEquals(StoredKey(Cover(proof, Sign(storedKey, said))), storedKey);

    private static byte[] Cover(ReadOnlySpan<byte> bytes, byte[] signature)
    {
        for (int i = 0; i < signature.Length; i++)
        {
            signature[i] ^= bytes[i];
        }

        return signature;
    }
}
