using System.Security.Cryptography;
using Sluice.Base.Sasl;
using Sluice.Client.Login;

namespace Sluice.Client;

/// <summary>How a client logs in. Printed it shows who, and no secrets. Immutable.</summary>
public abstract record SaslCredentials
{
    private protected SaslCredentials()
    {
    }

    /// <summary>What SASL calls the mechanism.</summary>
    public abstract string Mechanism { get; }

    /// <summary>Who logs in, as messages say it.</summary>
    private protected abstract string Who { get; }

    public sealed override string ToString() => $"{Who} by {Mechanism}";

    /// <summary>Begins one login.</summary>
    internal abstract ISaslConversation Begin();
}

/// <summary>Name and password for SASL PLAIN (RFC 4616). They travel in clear text: use TLS outside of one machine.</summary>
/// <param name="User">Who logs in.</param>
/// <param name="Password">The user's.</param>
public sealed record SaslPlain(string User, string Password) : SaslCredentials
{
    public override string Mechanism => "PLAIN";

    private protected override string Who => $"'{User}'";

    internal override ISaslConversation Begin() => new PlainConversation(this);
}

/// <summary>
/// Name and password for SCRAM (RFC 5802, RFC 7677), without channel binding: the password does not travel, and the broker proves that it knows it too. The password is taken as it is, without SASLprep, as Kafka does.
/// </summary>
/// <param name="User">Who logs in.</param>
/// <param name="Password">The user's.</param>
public sealed record SaslScram(string User, string Password) : SaslCredentials
{
    private const int NonceBytes = 18;

    /// <summary>SCRAM-SHA-256 or SCRAM-SHA-512.</summary>
    public ScramAlgorithm Algorithm { get; init; } = ScramAlgorithm.Sha512;

    public override string Mechanism => Algorithm.Name;

    private protected override string Who => $"'{User}'";

    internal override ISaslConversation Begin() => new ScramConversation(this, Convert.ToBase64String(RandomNumberGenerator.GetBytes(NonceBytes)));
}

/// <summary>A token for SASL OAUTHBEARER (RFC 7628). Whoever sees it can use it: use TLS outside of one machine.</summary>
/// <param name="Token">Called for each connection, also when the one before has ended with its token: returns a token that is still good.</param>
public sealed record SaslOAuthBearer(Func<CancellationToken, ValueTask<string>> Token) : SaslCredentials
{
    public override string Mechanism => "OAUTHBEARER";

    private protected override string Who => "the owner of the token";

    internal override ISaslConversation Begin() => new BearerConversation(this);
}
