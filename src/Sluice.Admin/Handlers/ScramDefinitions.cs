using System.Collections.Immutable;
using System.Globalization;
using Sluice.Admin.Http;
using Sluice.Admin.Json;
using Sluice.Security;
using Sluice.Security.Sasl;

namespace Sluice.Admin.Handlers;

/// <summary>Credentials for SCRAM in definitions: like hashes of passwords, they open nothing by themselves.</summary>
internal static class ScramDefinitions
{
    /// <summary>The member of a user.</summary>
    public const string Member = "scram_credentials";

    private const char Separator = '$';

    public static IEnumerable<ScramDefinition> Export(User user) => user.Scram.OrderBy(static credential => credential.Mechanism).Select(static credential =>
    {
        string[] parts = credential.Encode().Split(Separator);
        return new ScramDefinition(parts[0], credential.Iterations, parts[2], parts[3], parts[4]);
    });

    /// <summary>The user with the credentials that its definition has; without any, as it is.</summary>
    public static User Read(User user, JsonBody definition)
    {
        ImmutableArray<ScramCredential> credentials = [.. definition.Objects(Member).Select(Read)];
        return credentials.IsEmpty ? user
            : credentials.DistinctBy(static credential => credential.Mechanism).Count() < credentials.Length ? throw AdminException.BadRequest($"'{Member}' has a mechanism twice")
            : user with { Scram = credentials };
    }

    /// <summary>By what the user's name can log in with what is kept of it.</summary>
    public static IReadOnlyList<string> Mechanisms(User user) =>
        [.. user.Password is null ? Array.Empty<string>() : ["PLAIN"], .. user.Scram.Select(static credential => credential.Mechanism).Order().Select(static mechanism => mechanism.Name())];

    private static ScramCredential Read(JsonBody credential)
    {
        credential.AllowOnly("mechanism", "iterations", "salt", "stored_key", "server_key");
        int iterations = credential.Number("iterations");
        if (iterations is < ScramCredential.IterationsMin or > ScramCredential.IterationsMax)
        {
            throw AdminException.BadRequest($"'iterations' is {iterations}; {ScramCredential.IterationsMin} to {ScramCredential.IterationsMax} are allowed");
        }

        try
        {
            return ScramCredential.Parse(string.Join(
                Separator, credential.Text("mechanism"), iterations.ToString(CultureInfo.InvariantCulture), credential.Text("salt"), credential.Text("stored_key"), credential.Text("server_key")));
        }
        catch (FormatException)
        {
            throw AdminException.BadRequest($"'{Member}' has one that cannot be: 'mechanism' is {string.Join(" or ", ScramMechanisms.All.Select(static mechanism => mechanism.Name()))}, salt and keys are base64, the salt of 1 to {ScramCredential.SaltBytesMax} bytes, and the keys as long as the mechanism's hash");
        }
    }
}
