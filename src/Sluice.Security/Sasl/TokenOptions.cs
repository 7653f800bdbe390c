namespace Sluice.Security.Sasl;

/// <summary>Which tokens are taken for a login by OAUTHBEARER.</summary>
public sealed record TokenOptions
{
    /// <summary>Who must have made a token (claim iss); empty: anybody whose key is known.</summary>
    public string Issuer { get; init; } = "";

    /// <summary>For whom a token must be (one of claim aud); empty: for anybody.</summary>
    public string Audience { get; init; } = "";

    /// <summary>The claim that is the user's name.</summary>
    public string UserClaim { get; init; } = "sub";

    /// <summary>By how much clocks may differ.</summary>
    public TimeSpan ClockSkew { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Whether tokens without a signature are taken: anybody may be anybody then.</summary>
    public bool AllowsUnsecuredTokens { get; init; }
}
