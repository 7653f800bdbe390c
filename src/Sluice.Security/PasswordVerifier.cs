using System.Runtime.CompilerServices;
using System.Security.Cryptography;

namespace Sluice.Security;

#pragma warning disable CA1001 // A SemaphoreSlim whose wait handle is never asked for holds nothing to dispose.
/// <summary>
/// Checks passwords off the caller's thread, few at a time. A password that was right once is remembered as a keyed hash (the key lives only in this
/// process), so that thousands of clients that reconnect at once do not each cost tens of milliseconds; a changed password is a new <see cref="PasswordHash"/>
/// and begins without memory.
/// </summary>
internal sealed class PasswordVerifier
{
    private const int KeyBytes = 32;

    private readonly byte[] _key = RandomNumberGenerator.GetBytes(KeyBytes);
    private readonly ConditionalWeakTable<PasswordHash, byte[]> _lastGood = [];
    private readonly Lazy<PasswordHash> _nobody = new(static () => PasswordHash.Create(RandomNumberGenerator.GetBytes(KeyBytes)));

    // Guessing must leave processors to those who are logged in.
    private readonly SemaphoreSlim _room = new(Math.Max(1, Environment.ProcessorCount / 2));

    /// <param name="hash">Null: a user that does not exist or has no password; takes as long and is false.</param>
    /// <param name="password">Borrowed. Empty is never right (RabbitMQ's rule).</param>
    /// <param name="cancellation">Drops it while it waits for its turn.</param>
    public ValueTask<bool> VerifyAsync(PasswordHash? hash, ReadOnlyMemory<byte> password, CancellationToken cancellation)
    {
        if (password.IsEmpty)
        {
            return new ValueTask<bool>(false);
        }

        return hash is not null && _lastGood.TryGetValue(hash, out byte[]? good) && CryptographicOperations.FixedTimeEquals(good, Tag(password))
            ? new ValueTask<bool>(true)
            : new ValueTask<bool>(VerifySlowlyAsync(hash, password, cancellation));
    }

    private async Task<bool> VerifySlowlyAsync(PasswordHash? hash, ReadOnlyMemory<byte> password, CancellationToken cancellation)
    {
        await _room.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            // While waiting for room another connection may have proven the same password.
            if (hash is not null && _lastGood.TryGetValue(hash, out byte[]? good) && CryptographicOperations.FixedTimeEquals(good, Tag(password)))
            {
                return true;
            }

            bool matches = await Task.Run(() => (hash ?? _nobody.Value).Verify(password.Span)).ConfigureAwait(false);
            if (!matches || hash is null)
            {
                return false;
            }

            _lastGood.AddOrUpdate(hash, Tag(password));
            return true;
        }
        finally
        {
            _room.Release();
        }
    }

    private byte[] Tag(ReadOnlyMemory<byte> password) => HMACSHA256.HashData(_key, password.Span);
}
