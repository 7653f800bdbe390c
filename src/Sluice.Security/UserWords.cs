using System.Globalization;
using Sluice.Security.Sasl;

namespace Sluice.Security;

/// <summary>Users in words, for the log. Nothing of a password but that there is one.</summary>
internal static class UserWords
{
    /// <summary>What a user is that was not there before.</summary>
    public static string Of(User user) => string.Join(", ", [
        Tags(user),
        Password(user, before: null),
        .. user.Scram.IsEmpty ? Array.Empty<string>() : [Scram(user)],
        .. user.Limits == default ? Array.Empty<string>() : [Limits(user)],
    ]);

    /// <summary>What is different; empty: nothing.</summary>
    public static string Changes(User before, User after)
    {
        List<string> changes = [];
        if (!before.Tags.SequenceEqual(after.Tags, StringComparer.Ordinal))
        {
            changes.Add($"{Tags(after)} instead of [{string.Join(", ", before.Tags)}]");
        }

        if (before.Password?.Encode() != after.Password?.Encode())
        {
            changes.Add(Password(after, before));
        }

        if (!before.HasSameScram(after))
        {
            changes.Add(Scram(after));
        }

        if (before.Limits != after.Limits)
        {
            changes.Add(Limits(after));
        }

        return string.Join(", ", changes);
    }

    /// <summary>A limit.</summary>
    public static string Limit(int? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "without limit";

    private static string Tags(User user) => $"tags [{string.Join(", ", user.Tags)}]";

    private static string Password(User user, User? before) => user.Password is null ? "no password" : before?.Password is null ? "a password" : "another password";

    private static string Scram(User user) =>
        user.Scram.IsEmpty ? "no credentials for SCRAM" : $"credentials for {string.Join(" and ", user.Scram.Select(static credential => credential.Mechanism).Order().Select(static mechanism => mechanism.Name()))}";

    private static string Limits(User user) => $"connections {Limit(user.Limits.ConnectionsMax)}, channels {Limit(user.Limits.ChannelsMax)}";
}
