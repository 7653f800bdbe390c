using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Sluice.Security.Sasl;

/// <summary>
/// What SCRAM shows of names that have no credential. The salt comes from a secret of the broker and the name, so that it is the same each time, also after a restart;
/// its length and the number of rounds are those of some user who has a credential, so that they look alike. Thread-safe.
/// </summary>
internal sealed class ScramDecoys(AccessControl accessControl)
{
    private const int DefaultSaltBytes = 16;

    private Shapes? _shapes;

    public async ValueTask<ScramCredential> MakeAsync(string userName, ScramMechanism mechanism)
    {
        byte[] secret = await accessControl.DecoySecretAsync().ConfigureAwait(false);
        byte[] seed = HMACSHA512.HashData(secret, Encoding.UTF8.GetBytes($"{mechanism.Name()}/{userName}"));
        uint choice = BinaryPrimitives.ReadUInt32BigEndian(HMACSHA256.HashData(secret, seed));
        (int Iterations, int SaltBytes)[] shapes = ShapesOf(mechanism);
        (int iterations, int saltBytes) = shapes.Length == 0 ? (ScramCredential.IterationsDefault, DefaultSaltBytes) : shapes[choice % shapes.Length];
        return ScramCredential.FromSaltedPassword(mechanism, iterations, seed.AsSpan(0, Math.Min(saltBytes, seed.Length)), RandomNumberGenerator.GetBytes(mechanism.Algorithm().HashBytes));
    }

    private (int Iterations, int SaltBytes)[] ShapesOf(ScramMechanism mechanism)
    {
        SecuritySnapshot snapshot = accessControl.Snapshot;
        Shapes? shapes = _shapes;
        if (shapes is null || shapes.Mechanism != mechanism || !ReferenceEquals(shapes.Snapshot, snapshot))
        {
            shapes = new Shapes(snapshot, mechanism,
            [
                .. snapshot.Users.Values.SelectMany(static user => user.Scram).Where(credential => credential.Mechanism == mechanism)
                    .Select(static credential => (credential.Iterations, credential.Salt.Length)).Order(),
            ]);
            _shapes = shapes;
        }

        return shapes.Values;
    }

    private sealed record Shapes(SecuritySnapshot Snapshot, ScramMechanism Mechanism, (int Iterations, int SaltBytes)[] Values);
}
