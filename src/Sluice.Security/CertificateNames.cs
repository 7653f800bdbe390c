using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Sluice.Security;

/// <summary>What of a client certificate is the user's name.</summary>
public enum CertificateLogin
{
    /// <summary>The whole subject, most specific part first, e.g. "CN=worker,O=Example" (RabbitMQ's default).</summary>
    DistinguishedName,

    /// <summary>The subject's common name.</summary>
    CommonName,
}

/// <summary>Reads a user's name from a certificate.</summary>
internal static class CertificateNames
{
    private const string CommonNameOid = "2.5.4.3";

    /// <summary>Null when the certificate has no such name.</summary>
    public static string? Read(X509Certificate2 certificate, CertificateLogin what)
    {
        var text = new StringBuilder();
        foreach (X500RelativeDistinguishedName part in certificate.SubjectName.EnumerateRelativeDistinguishedNames(reversed: true))
        {
            if (part.HasMultipleElements || part.GetSingleElementValue() is not { } value)
            {
                return null;
            }

            string oid = part.GetSingleElementType().Value ?? "";
            if (what == CertificateLogin.CommonName)
            {
                if (oid == CommonNameOid)
                {
                    return value;
                }

                continue;
            }

            text.Append(text.Length == 0 ? "" : ",").Append(ShortName(oid)).Append('=');
            AppendEscaped(text, value);
        }

        return text.Length == 0 ? null : text.ToString();
    }

    private static string ShortName(string oid) => oid switch
    {
        CommonNameOid => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "EMAILADDRESS",
        _ => oid,
    };

    /// <summary>RFC 4514, section 2.4.</summary>
    private static void AppendEscaped(StringBuilder text, string value)
    {
        for (int index = 0; index < value.Length; index++)
        {
            char character = value[index];
            bool atStart = index == 0 && character is ' ' or '#';
            bool atEnd = index == value.Length - 1 && character == ' ';
            if (atStart || atEnd || character is ',' or '+' or '"' or '\\' or '<' or '>' or ';')
            {
                text.Append('\\');
            }

            text.Append(character);
        }
    }
}
