using Sluice.Protocols.Kafka.Acls;
using Sluice.Protocols.Kafka.Connections;
using Sluice.Protocols.Kafka.Wire;
using Sluice.Protocols.Kafka.Wire.Messages;
using Sluice.Security.Sasl;

namespace Sluice.Protocols.Kafka.Handlers;

/// <summary>DescribeUserScramCredentials, AlterUserScramCredentials (KIP-554).</summary>
internal sealed class ScramHandler(KafkaServer server)
{

    public DescribeUserScramCredentialsResponse Handle(KafkaRequest request, DescribeUserScramCredentialsRequest body)
    {
        if (!request.AllowsCluster(AclOperation.Describe))
        {
            return new DescribeUserScramCredentialsResponse { ErrorCode = KafkaErrorCode.ClusterAuthorizationFailed, ErrorMessage = null };
        }

        string[] names = body.Users is null or []
            ? [.. server.AccessControl.Users.Where(static user => !user.Scram.IsEmpty).Select(static user => user.Name).Order(StringComparer.Ordinal)]
            : [.. body.Users.Select(static user => user.Name)];
        return new DescribeUserScramCredentialsResponse
        {
            ErrorMessage = null,
            Results = [.. names.CountBy(static name => name, StringComparer.Ordinal).Select(named => named.Value > 1
                ? Failed(named.Key, KafkaErrorCode.DuplicateResource, $"Cannot describe SCRAM credentials for the same user twice in a single request: {named.Key}")
                : Describe(named.Key))],
        };
    }

    public async ValueTask<IKafkaMessage> HandleAsync(KafkaRequest request, AlterUserScramCredentialsRequest body)
    {
        var results = new Dictionary<string, AlterUserScramCredentialsResponse.AlterUserScramCredentialsResult>(StringComparer.Ordinal);
        var changes = new Dictionary<string, ScramChange>(StringComparer.Ordinal);
        foreach (AlterUserScramCredentialsRequest.ScramCredentialDeletion deletion in body.Deletions)
        {
            Take(deletion.Name, Problem(deletion), new ScramChange(deletion.Name, (ScramMechanism)deletion.Mechanism, null));
        }

        foreach (AlterUserScramCredentialsRequest.ScramCredentialUpsertion upsertion in body.Upsertions)
        {
            (KafkaErrorCode, string?) problem = Problem(upsertion);
            ScramMechanism mechanism = (ScramMechanism)upsertion.Mechanism;
            Take(upsertion.Name, problem, problem.Item1 == KafkaErrorCode.None
                ? new ScramChange(upsertion.Name, mechanism, ScramCredential.FromSaltedPassword(mechanism, upsertion.Iterations, upsertion.Salt.Span, upsertion.SaltedPassword.Span))
                : default);
        }

        await server.AccessControl.AlterScramAsync([.. changes.Values], request.UserName).ConfigureAwait(false);
        return new AlterUserScramCredentialsResponse { Results = [.. results.Values] };

        void Take(string name, (KafkaErrorCode Error, string? Message) problem, ScramChange change)
        {
            if (!request.ManagesUser(name))
            {
                problem = (KafkaErrorCode.ClusterAuthorizationFailed, null);
            }
            else if (results.TryGetValue(name, out AlterUserScramCredentialsResponse.AlterUserScramCredentialsResult? before))
            {
                // The first error of a user is the one it gets.
                problem = before.ErrorCode == KafkaErrorCode.None ? (KafkaErrorCode.DuplicateResource, "A user credential cannot be altered twice in the same request") : (before.ErrorCode, before.ErrorMessage);
            }

            if (problem.Error == KafkaErrorCode.None)
            {
                changes.Add(name, change);
            }
            else
            {
                changes.Remove(name);
            }

            results[name] = new AlterUserScramCredentialsResponse.AlterUserScramCredentialsResult { User = name, ErrorCode = problem.Error, ErrorMessage = problem.Message };
        }
    }

    private static DescribeUserScramCredentialsResponse.DescribeUserScramCredentialsResult Failed(string name, KafkaErrorCode error, string message) =>
        new() { User = name, ErrorCode = error, ErrorMessage = message };

    private DescribeUserScramCredentialsResponse.DescribeUserScramCredentialsResult Describe(string name) => server.AccessControl.FindUser(name) is { Scram: { IsEmpty: false } credentials }
        ? new DescribeUserScramCredentialsResponse.DescribeUserScramCredentialsResult
        {
            User = name,
            ErrorMessage = null,
            CredentialInfos = [.. credentials.OrderBy(static credential => credential.Mechanism).Select(static credential => new DescribeUserScramCredentialsResponse.CredentialInfo { Mechanism = (sbyte)credential.Mechanism, Iterations = credential.Iterations })],
        }
        : Failed(name, KafkaErrorCode.ResourceNotFound, $"Attempt to describe a user credential that does not exist: {name}");

    private (KafkaErrorCode Error, string? Message) Problem(AlterUserScramCredentialsRequest.ScramCredentialDeletion deletion) =>
        Problem(deletion.Name, deletion.Mechanism) is { Error: not KafkaErrorCode.None } problem ? problem
        : server.AccessControl.FindUser(deletion.Name)?.Scram.Any(credential => (sbyte)credential.Mechanism == deletion.Mechanism) == true ? default
        : (KafkaErrorCode.ResourceNotFound, "Attempt to delete a user credential that does not exist");

    private static (KafkaErrorCode Error, string? Message) Problem(AlterUserScramCredentialsRequest.ScramCredentialUpsertion upsertion) =>
        Problem(upsertion.Name, upsertion.Mechanism) is { Error: not KafkaErrorCode.None } problem ? problem
        : upsertion.Iterations < ScramCredential.IterationsMin ? (KafkaErrorCode.UnacceptableCredential, "Too few iterations")
        : upsertion.Iterations > ScramCredential.IterationsMax ? (KafkaErrorCode.UnacceptableCredential, "Too many iterations")
        : upsertion.Salt.Length is 0 or > ScramCredential.SaltBytesMax || upsertion.SaltedPassword.Length is 0 or > ScramCredential.SaltBytesMax ? (KafkaErrorCode.UnacceptableCredential, $"Salt and salted password must have 1 to {ScramCredential.SaltBytesMax} bytes")
        : default;

    private static (KafkaErrorCode Error, string? Message) Problem(string name, sbyte mechanism) =>
        name.Length == 0 ? (KafkaErrorCode.UnacceptableCredential, "Username must not be empty")
        : !ScramMechanisms.All.Contains((ScramMechanism)mechanism) ? (KafkaErrorCode.UnsupportedSaslMechanism, "Unknown SCRAM mechanism")
        : default;
}
