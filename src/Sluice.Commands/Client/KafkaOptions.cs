using System.CommandLine;
using Sluice.Client;

namespace Sluice.Commands.Client;

/// <summary>Options of the verbs that speak Kafka's protocol when asked to.</summary>
internal static class KafkaOptions
{
    private const int DefaultPort = 9092;

    public static Option<string?> BootstrapServer { get; } = new("--bootstrap-server") { Description = "Kafka brokers to begin with (the host, port 9092); a login by SASL PLAIN when a user is named.", HelpName = "host:port,…" };

    /// <summary>Where the brokers are.</summary>
    public static string Servers(this Invocation invocation) => invocation.Value(BootstrapServer) is { } given ? given : $"{invocation.Value(ServerOptions.Host)}:{DefaultPort}";

    /// <summary>Who logs in: whoever is named on the command line or in the environment.</summary>
    public static SaslPlain? Login(this Invocation invocation) =>
        invocation.Has(ServerOptions.User) || invocation.Has(ServerOptions.Password) || Environment.GetEnvironmentVariable("SLUICE_USER") is { Length: > 0 }
            ? new SaslPlain(invocation.Value(ServerOptions.User), invocation.Value(ServerOptions.Password))
            : null;

    /// <summary>Refuses options of the other protocol.</summary>
    /// <exception cref="CommandException">One is there.</exception>
    public static void Refuse(this Invocation invocation, string why, params ReadOnlySpan<Option> options)
    {
        foreach (Option option in options)
        {
            if (invocation.Has(option))
            {
                throw new CommandException($"{option.Name} {why}.");
            }
        }
    }
}
