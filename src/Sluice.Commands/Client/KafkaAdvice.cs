using System.Security.Authentication;
using Sluice.Client;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Commands.Client;

/// <summary>Adds to what the Kafka client says has gone wrong what whoever gave the command can do about it.</summary>
internal static class KafkaAdvice
{
    /// <summary>The error with the advice; as it is if there is none.</summary>
    public static CommandException Of(KafkaClientException error, Invocation invocation, string topic) => new($"{error.Message.TrimEnd('.')}.{Advice(error, invocation, topic)}");

    private static string Advice(KafkaClientException error, Invocation invocation, string topic) => error.ErrorCode switch
    {
        KafkaErrorCode.NetworkException =>
            $" Start a broker with 'sluice serve', or say where one has its Kafka listener with {KafkaOptions.BootstrapServer.Name}.{(invocation.Login() is null ? $" If it lets in only who logs in, give {ServerOptions.User.Name} and {ServerOptions.Password.Name}." : "")}",
        KafkaErrorCode.UnknownTopicOrPartition => $" It is made by 'sluice publish --kafka {topic} MESSAGE', unless the broker's setting Kafka:AutoCreateTopics is off, or by Kafka's tools.",
        KafkaErrorCode.SaslAuthenticationFailed when IsOfTls(error) =>
            $" The broker's certificate must be of an authority that the system trusts or that the file of {KafkaOptions.CaFile.Name} has, and name the host that {KafkaOptions.BootstrapServer.Name} does; the listener for TLS has a port of its own.",
        KafkaErrorCode.SaslAuthenticationFailed when invocation.Login() is SaslOAuthBearer => $" Give a token that is good with {KafkaOptions.TokenFile.Name}; the broker's log says why a login is refused.",
        KafkaErrorCode.SaslAuthenticationFailed => $" Give {ServerOptions.User.Name} and {ServerOptions.Password.Name} (SLUICE_USER, SLUICE_PASSWORD); the broker's log says why a login is refused.",
        KafkaErrorCode.TopicAuthorizationFailed or KafkaErrorCode.GroupAuthorizationFailed or KafkaErrorCode.ClusterAuthorizationFailed =>
            $" Log in as a user who may ({ServerOptions.User.Name}); an administrator permits it with 'sluice user permit' or Kafka's kafka-acls.",
        KafkaErrorCode.InvalidTopicException when topic.StartsWith("__", StringComparison.Ordinal) => $" '{topic}' is one of the broker's own topics, which take no records of clients.",
        KafkaErrorCode.MessageTooLarge => " The topic's setting max.message.bytes says how large a batch may be.",
        _ => "",
    };

    /// <summary>Whether TLS has failed; the client may have wrapped what has.</summary>
    private static bool IsOfTls(Exception error) => error is AuthenticationException || (error.InnerException is { } inner && IsOfTls(inner));
}
