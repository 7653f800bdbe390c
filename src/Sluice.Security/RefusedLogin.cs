using System.Net;
using Microsoft.Extensions.Logging;
using Sluice.Base.Logging;

namespace Sluice.Security;

/// <summary>A login that was refused, of a user from an address for a reason; or the refusal of a client that does not log in.</summary>
/// <param name="Address">Where the client comes from.</param>
/// <param name="User">Who tried, or whom the client would have been.</param>
/// <param name="Reason">In words.</param>
/// <param name="IsWithoutLogin">The client does not log in.</param>
internal readonly record struct RefusedLogin(IPAddress Address, string User, string Reason, bool IsWithoutLogin) : IRefusal
{
    /// <inheritdoc/>
    public static string Things => "logins";

    /// <inheritdoc/>
    public string Origin => RefusalOrigin.Of(Address);

    /// <summary>The user; a long name by its beginning.</summary>
    public string User { get; } = LogText.Cut(User);

    /// <summary>In words.</summary>
    public string Reason { get; } = LogText.Cut(Reason, LogText.ReasonCharsMax);

    /// <inheritdoc/>
    public void LogAgain(ILogger logger, long count)
    {
        if (IsWithoutLogin)
        {
            logger.LogWarning("Clients from {Address} that do not log in were refused {Count} more times within a minute: they would be user '{User}', {Problem}", Address, count, User, Reason);
        }
        else
        {
            logger.LogWarning("Login of user '{User}' from {Address} was refused {Count} more times within a minute: {Reason}", User, Address, count, Reason);
        }
    }
}
