using System.CommandLine;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Sluice.Base.Sasl;
using Sluice.Client;

namespace Sluice.Commands.Client;

/// <summary>Options of the verbs that speak Kafka's protocol when asked to: where the brokers are, TLS, and who logs in by which mechanism.</summary>
internal static class KafkaOptions
{
    private const int DefaultPort = 9092;
    private const string Plain = "PLAIN";
    private const string OAuthBearer = "OAUTHBEARER";

    internal static readonly Option<string?> BootstrapServer = new("--bootstrap-server") { Description = "Kafka: brokers to begin with (the host, port 9092).", HelpName = "host:port,…" };
    internal static readonly Option<bool> TlsOption = new("--tls") { Description = "Kafka: by TLS; the broker's certificate is to be of an authority that the system trusts." };
    internal static readonly Option<string?> CaFile = new("--ca-file") { Description = "Kafka: by TLS; the broker's certificate is to be of an authority in this file (PEM).", HelpName = "file" };
    private static readonly Option<string?> Sasl = new("--sasl") { Description = "Kafka: how to log in: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER (PLAIN, when a user or password is given).", HelpName = "mechanism" };
    internal static readonly Option<string?> TokenFile = new("--token-file") { Description = "Kafka: the file with the token for OAUTHBEARER, read at each login.", HelpName = "file" };

    /// <summary>All of them.</summary>
    public static Option[] Access => [BootstrapServer, TlsOption, CaFile, Sasl, TokenFile];

    /// <summary>Where the brokers are.</summary>
    public static string Servers(this Invocation invocation) =>
        invocation.Value(BootstrapServer) ?? (invocation.Has(ServerOptions.Host) ? null : ServerOptions.FromEnvironment("SLUICE_BOOTSTRAP_SERVER")) ?? $"{invocation.Value(ServerOptions.Host)}:{DefaultPort}";

    /// <summary>Who logs in: whoever is named on the command line or in the environment; null: nobody.</summary>
    /// <exception cref="CommandException">The options contradict each other.</exception>
    public static SaslCredentials? Login(this Invocation invocation)
    {
        string? mechanism = invocation.Value(Sasl)?.ToUpperInvariant();
        if (mechanism == OAuthBearer || (mechanism is null && invocation.Has(TokenFile)))
        {
            invocation.Refuse($"is not for {OAuthBearer}: the token says who logs in", ServerOptions.User, ServerOptions.Password);
            string file = invocation.Value(TokenFile) ?? throw new CommandException($"--sasl {OAuthBearer} needs --token-file.");
            return new SaslOAuthBearer(async cancel => (await File.ReadAllTextAsync(file, cancel).ConfigureAwait(false)).Trim());
        }

        invocation.Refuse($"is for --sasl {OAuthBearer}", TokenFile);
        if (mechanism is null && !IsUserGiven(invocation))
        {
            return null;
        }

        string user = invocation.Value(ServerOptions.User), password = invocation.Value(ServerOptions.Password);
        return mechanism switch
        {
            null or Plain => new SaslPlain(user, password),
            _ when mechanism == ScramAlgorithm.Sha256.Name => new SaslScram(user, password) { Algorithm = ScramAlgorithm.Sha256 },
            _ when mechanism == ScramAlgorithm.Sha512.Name => new SaslScram(user, password),
            _ => throw new CommandException($"--sasl cannot be '{invocation.Value(Sasl)}': {Plain}, {ScramAlgorithm.Sha256.Name}, {ScramAlgorithm.Sha512.Name} or {OAuthBearer} is expected."),
        };
    }

    /// <summary>How to do TLS; null: not at all.</summary>
    /// <exception cref="CommandException">The file of authorities cannot be used.</exception>
    public static SslClientAuthenticationOptions? Tls(this Invocation invocation) =>
        invocation.Value(CaFile) is { } file
            ? new SslClientAuthenticationOptions { CertificateChainPolicy = Trusting(file) }
            : invocation.Value(TlsOption) ? new SslClientAuthenticationOptions() : null;

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

    private static bool IsUserGiven(Invocation invocation) =>
        invocation.Has(ServerOptions.User) || invocation.Has(ServerOptions.Password) || Environment.GetEnvironmentVariable("SLUICE_USER") is { Length: > 0 };

    private static X509ChainPolicy Trusting(string file)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        try
        {
            policy.CustomTrustStore.ImportFromPemFile(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new CommandException($"--ca-file '{file}' cannot be read: {error.Message}");
        }

        return policy.CustomTrustStore.Count > 0 ? policy : throw new CommandException($"--ca-file '{file}' has no certificate in PEM form.");
    }
}
