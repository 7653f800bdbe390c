namespace Sluice.Protocols.Kafka.Wire.Generator;

/// <summary>Writes the body of a structure's Write.</summary>
internal sealed class WriteGenerator(Schema schema, StructSchema message, StructSchema part, CodeWriter code)
{
    private readonly string _flexible = schema.Flexible.Condition(part.Versions);

    public void Write()
    {
        if (_flexible is not ("true" or "false"))
        {
            code.Line($"bool flexible = {_flexible};");
        }

        foreach (FieldSchema field in part.Fields)
        {
            WriteField(field);
        }

        WriteTags();
    }

    /// <summary>A C# condition for a value that is not the default; what a version lacks must not have one.</summary>
    private static string IsSet(FieldSchema field)
    {
        string name = field.Name;
        return field switch
        {
            { IsAbsentableStruct: true } or { Default: "null" } => $"{name} is not null",
            { Type: "records", IsArray: false } => field.IsNullable ? $"!{name}.IsNull" : $"{name}.Length != 0",
            { Type: "bytes", IsArray: false } => field.IsNullable ? $"{name} is not {{ IsEmpty: true }}" : $"!{name}.IsEmpty",
            { IsArray: true } or { Type: "string" } => field.IsNullable ? $"{name} is not {{ Length: 0 }}" : $"{name}.Length != 0",
            { IsStruct: true } => throw new NotSupportedException($"{name} is a structure that is not in all versions, not nullable and not ignorable"),
            { Type: "bool" } => field.Default == "true" ? $"!{name}" : name,
            _ => $"{name} != {MessageGenerator.DefaultValue(field)}",
        };
    }

    private void WriteField(FieldSchema field)
    {
        string condition = field.Versions.Condition(part.Versions);
        string path = ReferenceEquals(message, part) ? $"{message.Name}.{field.Name}" : $"{message.Name}.{part.Name}.{field.Name}";
        void Refuse() => code.Line($"KafkaWriteException.ThrowFieldVersion(\"{path}\", version);");
        if (field.Tag is not null)
        {
            if (condition != "true" && !field.Ignorable)
            {
                code.Block($"if (!({condition}) && {IsSet(field)})", Refuse);
                code.Line();
            }

            return;
        }

        string flexible = _flexible is "true" or "false" ? _flexible : "flexible";
        if (condition == "true")
        {
            WriteValue(field, path, flexible);
            return;
        }

        code.Block($"if ({condition})", () => WriteValue(field, path, flexible));
        if (!field.Ignorable)
        {
            code.Block($"else if ({IsSet(field)})", Refuse);
        }

        code.Line();
    }

    private void WriteValue(FieldSchema field, string path, string flexible)
    {
        string nullable = field.Nullable.Condition(field.Versions);
        if (nullable is "true" or "false")
        {
            WriteValue(field, field.Name, nullable == "true", flexible);
            return;
        }

        code.Block($"if ({nullable})", () => WriteValue(field, field.Name, true, flexible));
        code.Block("else", () =>
        {
            string local = char.ToLowerInvariant(field.Name[0]) + field.Name[1..];
            code.Line($"{ClrTypeNotNull(field)} {local} = KafkaWriteException.NotNull({field.Name}, \"{path}\");");
            WriteValue(field, local, false, flexible);
        });
        code.Line();
    }

    private static string ClrTypeNotNull(FieldSchema field) => field is { IsArray: false, Type: "bytes" }
        ? throw new NotSupportedException($"{field.Name} is bytes that are nullable in some versions only")
        : MessageGenerator.ClrType(field).TrimEnd('?');

    private void WriteValue(FieldSchema field, string value, bool nullable, string flexible)
    {
        Primitive.All.TryGetValue(field.Type, out Primitive? primitive);
        if (field.IsArray)
        {
            if (nullable)
            {
                code.Block($"if ({value} is null)", () => code.Line($"writer.WriteNullArray({flexible});"));
                code.Block("else", () => WriteArray(field, primitive, value, flexible));
                code.Line();
            }
            else
            {
                WriteArray(field, primitive, value, flexible);
            }
        }
        else if (primitive is not null)
        {
            code.Line($"writer.Write{(nullable ? "Nullable" : "")}{primitive.Method}({value}{(primitive.TakesFlexible ? ", " + flexible : "")});");
        }
        else
        {
            if (nullable)
            {
                code.Line($"writer.WritePresence({value} is not null);");
            }

            code.Line($"{value}{(nullable ? "?" : "")}.Write(writer, version);");
        }
    }

    private void WriteArray(FieldSchema field, Primitive? primitive, string value, string flexible)
    {
        if (primitive is not null)
        {
            code.Line($"writer.Write{primitive.Method}s({value}, {flexible});");
            return;
        }

        code.Line($"writer.WriteArrayLength({value}.Length, {flexible});");
        code.Block($"foreach ({field.Type} item in {value})", () => code.Line("item.Write(writer, version);"));
        code.Line();
    }

    private void WriteTags()
    {
        if (_flexible == "false")
        {
            return;
        }

        if (_flexible == "true")
        {
            WriteTaggedFields();
        }
        else
        {
            code.Block("if (flexible)", WriteTaggedFields);
        }
    }

    private void WriteTaggedFields()
    {
        FieldSchema[] tagged = [.. part.Fields.Where(field => field.Tag is not null).OrderBy(field => field.Tag)];
        if (tagged.Length == 0)
        {
            code.Line("writer.WriteUnsignedVarint(0);");
            return;
        }

        foreach (FieldSchema field in tagged)
        {
            string condition = field.Versions.Condition(part.Versions.Intersect(schema.Flexible));
            code.Line($"bool has{field.Name} = {(condition == "true" ? "" : condition + " && ")}{IsSet(field)};");
        }

        code.Line($"writer.WriteUnsignedVarint({string.Join(" + ", tagged.Select(field => tagged.Length == 1 ? $"has{field.Name} ? 1u : 0u" : $"(has{field.Name} ? 1u : 0u)"))});");
        foreach (FieldSchema field in tagged)
        {
            if (field.Type == "records")
            {
                throw new NotSupportedException($"{field.Name}: records in a tagged field");
            }

            code.Block($"if (has{field.Name})", () =>
            {
                code.Line($"int start = writer.BeginTag({field.Tag});");
                if (field.IsAbsentableStruct && field.IsNullable)
                {
                    code.Line("writer.WritePresence(true);");
                }

                WriteValue(field, field.IsAbsentableStruct ? field.Name + "!" : field.Name, field.IsNullable && !field.IsAbsentableStruct, "true");
                code.Line("writer.EndTag(start);");
            });
            code.Line();
        }
    }
}
