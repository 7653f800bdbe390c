using System.Net.Sockets;
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
        KafkaErrorCode.NetworkException when IsOfTls(error) => $" A listener without TLS is reached without {KafkaOptions.TlsOption.Name} and {KafkaOptions.CaFile.Name}; the listener for TLS has a port of its own.",
        KafkaErrorCode.NetworkException => $" Start a broker with 'sluice serve', or say where one has its Kafka listener with {KafkaOptions.BootstrapServer.Name}.{(IsNobodyThere(error) ? "" : OfRefusal(invocation))}",
        KafkaErrorCode.UnknownTopicOrPartition => $" It is made by 'sluice publish --kafka {topic} MESSAGE', unless the broker's setting Kafka:AutoCreateTopics is off, or by 'sluice topic create {topic}'.",
        KafkaErrorCode.SaslAuthenticationFailed when IsOfTls(error) =>
            $" The broker's certificate must be of an authority that the system trusts or that the file of {KafkaOptions.CaFile.Name} has, and name the host by which it is reached: that of {KafkaOptions.BootstrapServer.Name}, and then the one that the broker says it has (its setting Kafka:AdvertisedHost). The listener for TLS has a port of its own.",
        KafkaErrorCode.SaslAuthenticationFailed when invocation.Login() is SaslOAuthBearer => $" Give a token that is good with {KafkaOptions.TokenFile.Name}; the broker's log says why a login is refused.",
        KafkaErrorCode.SaslAuthenticationFailed => $" Give {ServerOptions.User.Name} and {ServerOptions.Password.Name} (SLUICE_USER, SLUICE_PASSWORD); the broker's log says why a login is refused.",
        KafkaErrorCode.TopicAuthorizationFailed or KafkaErrorCode.GroupAuthorizationFailed or KafkaErrorCode.ClusterAuthorizationFailed =>
            $" Log in as a user who may ({ServerOptions.User.Name}); an administrator permits it with 'sluice user permit' or 'sluice acl add', unless an entry that 'sluice acl list' shows denies it.",
        KafkaErrorCode.InvalidTopicException when topic.StartsWith("__", StringComparison.Ordinal) => $" '{topic}' is one of the broker's own topics, which take no records of clients.",
        KafkaErrorCode.MessageTooLarge => " The topic's setting max.message.bytes says how large a batch may be.",
        _ => "",
    };

    /// <summary>What else a broker may want that ends the connection.</summary>
    private static string OfRefusal(Invocation invocation) =>
        (invocation.Login() is null ? $" If it lets in only who logs in, give {ServerOptions.User.Name} and {ServerOptions.Password.Name}." : "")
        + (invocation.Tls() is null ? $" If it is a listener for TLS, give {KafkaOptions.CaFile.Name} or {KafkaOptions.TlsOption.Name}." : "");

    /// <summary>Whether TLS has failed; the client may have wrapped what has.</summary>
    private static bool IsOfTls(Exception error) => error is AuthenticationException || (error.InnerException is { } inner && IsOfTls(inner));

    /// <summary>Whether nothing was reached that could want anything: nobody, or another listener.</summary>
    private static bool IsNobodyThere(Exception error) =>
        error is KafkaParseException or SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain or SocketError.HostUnreachable or SocketError.NetworkUnreachable or SocketError.TimedOut }
        || (error.InnerException is { } inner && IsNobodyThere(inner));
}
