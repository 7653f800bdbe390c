using System.Globalization;
using Sluice.Broker.Definitions;

namespace Sluice.Protocols.Kafka.Acls;

/// <summary>An entry of the access control list: who may, or may not, do what from where with which resources (KIP-11, KIP-290).</summary>
/// <param name="Type">Kind of resource.</param>
/// <param name="Pattern">Literal or prefixed.</param>
/// <param name="Name">The resource's name or its beginning; the literal name * stands for all.</param>
/// <param name="Principal">User:NAME; User:* stands for all.</param>
/// <param name="Host">The client's address; * stands for all.</param>
/// <param name="Operation">What is done; All stands for everything.</param>
/// <param name="Permission">Allow or Deny.</param>
internal sealed record Acl(AclResourceType Type, AclPatternType Pattern, string Name, string Principal, string Host, AclOperation Operation, AclPermission Permission)
{
    public const string Wildcard = "*", UserPrefix = "User:", AllUsers = "User:*";

    private const string Prefix = "kafka/acl/";

    /// <summary>Prefix of all in the metadata store.</summary>
    public static string AllKeys => Prefix;

    /// <summary>Where it lies in the metadata store: all it says is there.</summary>
    public string Key => string.Create(
        CultureInfo.InvariantCulture,
        $"{Prefix}{(int)Type}/{(int)Pattern}/{MetadataKeys.Escape(Name)}/{(int)Operation}/{(int)Permission}/{MetadataKeys.Escape(Principal)}/{MetadataKeys.Escape(Host)}");

    /// <exception cref="InvalidDataException">It was written by a newer version, or is damaged.</exception>
    public static Acl OfKey(string key)
    {
        return key[Prefix.Length..].Split('/') is [var type, var pattern, var name, var operation, var permission, var principal, var host]
            ? new Acl((AclResourceType)Code(type), (AclPatternType)Code(pattern), MetadataKeys.Unescape(name), MetadataKeys.Unescape(principal), MetadataKeys.Unescape(host), (AclOperation)Code(operation), (AclPermission)Code(permission))
            : throw new InvalidDataException($"The access control entry '{key}' cannot be read. It was written by a newer version, or is damaged.");

        byte Code(string text) => byte.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out byte code) ? code : throw new InvalidDataException($"The access control entry '{key}' cannot be read. It was written by a newer version, or is damaged.");
    }
}
